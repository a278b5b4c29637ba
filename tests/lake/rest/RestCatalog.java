import jakarta.servlet.DispatcherType;
import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpFilter;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.Map;
import org.apache.iceberg.jdbc.JdbcCatalog;
import org.apache.iceberg.rest.RESTCatalogAdapter;
import org.apache.iceberg.rest.RESTCatalogServlet;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.servlet.FilterHolder;
import org.eclipse.jetty.servlet.ServletContextHandler;
import org.eclipse.jetty.servlet.ServletHolder;

/**
 * Iceberg's own REST servlet on 127.0.0.1, over its JDBC catalog.
 *
 * <p>Arguments: port, then the catalog's properties as name=value. The environment's REST_TOKEN is the bearer token
 * that each request must carry; any other is answered as the REST specification says (401).
 */
public class RestCatalog {
  private static final String REFUSED =
      "{\"error\": {\"message\": \"Not authorized\", \"type\": \"NotAuthorizedException\", \"code\": 401}}";

  public static void main(String[] words) throws Exception {
    Map<String, String> properties = new HashMap<>();
    for (String word : Arrays.asList(words).subList(1, words.length)) {
      int at = word.indexOf('=');
      properties.put(word.substring(0, at), word.substring(at + 1));
    }
    JdbcCatalog catalog = new JdbcCatalog();
    catalog.initialize("behind", properties);
    ServletContextHandler context = new ServletContextHandler();
    context.addFilter(new FilterHolder(new OnlyWithToken()), "/*", EnumSet.of(DispatcherType.REQUEST));
    context.addServlet(new ServletHolder(new RESTCatalogServlet(new RESTCatalogAdapter(catalog))), "/*");
    Server server = new Server(new InetSocketAddress("127.0.0.1", Integer.parseInt(words[0])));
    server.setHandler(context);
    server.start();
    server.join();
  }

  private static class OnlyWithToken extends HttpFilter {
    @Override
    protected void doFilter(HttpServletRequest asked, HttpServletResponse answer, FilterChain next)
        throws IOException, ServletException {
      if (("Bearer " + System.getenv("REST_TOKEN")).equals(asked.getHeader("Authorization"))) {
        next.doFilter(asked, answer);
        return;
      }
      answer.setStatus(401);
      answer.setContentType("application/json");
      answer.getWriter().write(REFUSED);
    }
  }
}
