import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsParameters;
import com.sun.net.httpserver.HttpsServer;
import java.io.FileInputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.security.KeyStore;
import java.security.Security;
import java.security.cert.CertificateFactory;
import java.util.Arrays;
import java.util.concurrent.Executors;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.TrustManagerFactory;

/** Server CA.crt (ADDRESS KEYSTORE.p12 need-client-auth|no-client-auth VERSION,... SUITES)...: HTTPS servers on port 2376. */
class Server {
    static final char[] PASSWORD = "lab".toCharArray();

    public static void main(String[] args) throws Exception {
        Security.setProperty("jdk.tls.disabledAlgorithms", ""); // else old versions and suites stay off whatever is asked for
        var trust = KeyStore.getInstance(KeyStore.getDefaultType());
        trust.load(null, null);
        try (var in = new FileInputStream(args[0])) {
            trust.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        for (int i = 1; i + 4 < args.length; i += 5) serve(trust, args[i], args[i + 1], args[i + 2], args[i + 3].split(","), args[i + 4]);
    }

    static void serve(KeyStore trust, String address, String file, String clientAuth, String[] versions, String suites) throws Exception {
        var store = KeyStore.getInstance("PKCS12");
        try (var in = new FileInputStream(file)) {
            store.load(in, PASSWORD);
        }
        var keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(store, PASSWORD);
        var trusted = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trusted.init(trust);
        var context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), trusted.getTrustManagers(), null);

        var server = HttpsServer.create(new InetSocketAddress(InetAddress.getByName(address), 2376), 64);
        server.setHttpsConfigurator(new HttpsConfigurator(context) {
            @Override
            public void configure(HttpsParameters parameters) {
                SSLParameters wanted = context.getSupportedSSLParameters();
                wanted.setProtocols(versions);
                wanted.setCipherSuites(Arrays.stream(wanted.getCipherSuites())
                        .filter(suite -> suite.matches(suites)).toArray(String[]::new));
                wanted.setNeedClientAuth(clientAuth.equals("need-client-auth"));
                parameters.setSSLParameters(wanted);
            }
        });
        server.createContext("/", exchange -> {
            byte[] body = "a Java server\n".getBytes();
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.setExecutor(Executors.newCachedThreadPool());
        server.start();
    }
}
