// go_server CERTIFICATE KEY (ADDRESS:PORT LOWEST HIGHEST)...: HTTPS servers with Go's crypto/tls.
package main

import (
	"crypto/tls"
	"log"
	"net/http"
	"os"
)

var versions = map[string]uint16{
	"1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13,
}

func main() {
	certificate, key, servers := os.Args[1], os.Args[2], os.Args[3:]
	for ; len(servers) >= 3; servers = servers[3:] {
		server := &http.Server{
			Addr:      servers[0],
			Handler:   http.NotFoundHandler(),
			TLSConfig: &tls.Config{MinVersion: versions[servers[1]], MaxVersion: versions[servers[2]]},
		}
		go func() { log.Fatal(server.ListenAndServeTLS(certificate, key)) }()
	}
	select {}
}
