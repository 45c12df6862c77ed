"""first_paint.py REPORT.html RUNS: medians in milliseconds, on one line: first paint, script ready (both since
the file was opened), a filter, its removal, a sort (each until the browser has painted again)."""

import os
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from chromium import Page

PAINTED = "new Promise(done => requestAnimationFrame(() => setTimeout(done)))"
TYPED = """(async () => {
  const field = document.getElementById('f-text');
  const begin = performance.now();
  const before = document.getElementById('shown').textContent;
  field.value = %r;
  field.dispatchEvent(new Event('input', { bubbles: true }));
  while (document.getElementById('shown').textContent === before) await new Promise(done => setTimeout(done));
  await %s;
  return performance.now() - begin;
})()"""
SORTED = """(async () => {
  const begin = performance.now();
  document.querySelector('th[data-by=rule] button').click();
  await %s;
  return performance.now() - begin;
})()"""
FIRST = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
READY = "performance.getEntriesByType('navigation')[0].domInteractive"


def main():
    path, runs = sys.argv[1], int(sys.argv[2])
    figures = []
    for _ in range(runs):
        with Page(1280, 900) as page:
            page.open(path)
            page.eval(PAINTED)
            figures.append(
                [
                    page.eval(FIRST),
                    page.eval(READY),
                    page.eval(TYPED % ("127.31.3.", PAINTED)),
                    page.eval(TYPED % ("", PAINTED)),
                    page.eval(SORTED % PAINTED),
                ]
            )
    print(*(round(statistics.median(column)) for column in zip(*figures)))


main()
