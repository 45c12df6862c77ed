-- So that what no run refers to is found, and an observation deleted, without reading all.
CREATE INDEX absent_by_observation ON absent (observation);
