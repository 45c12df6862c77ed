// node_server.js CERTIFICATE KEY (ADDRESS PORT LOWEST HIGHEST)...: HTTPS servers with Node's own OpenSSL.
'use strict';
const fs = require('fs');
const https = require('https');

const [certificate, key, ...servers] = process.argv.slice(2);
const name = (version) => (version === '1.0' ? 'TLSv1' : `TLSv${version}`);
for (let i = 0; i + 3 < servers.length; i += 4) {
  const [address, port, lowest, highest] = servers.slice(i, i + 4);
  const options = {
    cert: fs.readFileSync(certificate),
    key: fs.readFileSync(key),
    minVersion: name(lowest),
    maxVersion: name(highest),
    ciphers: 'ALL:@SECLEVEL=0',
  };
  https.createServer(options, (_, response) => response.writeHead(404).end()).listen(Number(port), address);
}
