import com.alibaba.nacos.api.NacosFactory;
import com.alibaba.nacos.api.PropertyKeyConst;
import com.alibaba.nacos.api.naming.NamingService;
import com.alibaba.nacos.api.naming.listener.NamingEvent;
import com.alibaba.nacos.api.naming.pojo.Instance;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;

/** The runner for the Nacos Java client. See package conformance. */
public class Runner {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static PrintStream out;

    private static synchronized void say(ObjectNode r) throws Exception {
        out.println(JSON.writeValueAsString(r));
        out.flush();
    }

    private static ArrayNode hosts(List<Instance> list) {
        ArrayNode a = JSON.createArrayNode();
        for (Instance i : list) {
            ObjectNode h = a.addObject();
            h.put("ip", i.getIp()).put("port", i.getPort()).put("cluster", i.getClusterName()).put("weight", i.getWeight());
            h.put("healthy", i.isHealthy()).put("enabled", i.isEnabled());
            h.set("metadata", JSON.valueToTree(i.getMetadata()));
        }
        return a;
    }

    public static void main(String[] args) throws Exception {
        out = new PrintStream(System.out, false, "UTF-8");
        System.setOut(System.err); // the client's loggers must not speak on our line
        Properties p = new Properties();
        p.put(PropertyKeyConst.SERVER_ADDR, args[0]);
        if (!args[1].isEmpty()) {
            p.put(PropertyKeyConst.NAMESPACE, args[1]);
        }
        NamingService naming = NacosFactory.createNamingService(p);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonNode c = JSON.readTree(line);
            ObjectNode r = JSON.createObjectNode();
            r.put("id", c.get("id").asInt());
            try {
                act(naming, c, r);
            } catch (Exception e) {
                r.put("error", e.toString());
            }
            say(r);
        }
        System.exit(0);
    }

    private static void act(NamingService naming, JsonNode c, ObjectNode r) throws Exception {
        String service = c.path("service").asText();
        String group = c.path("group").asText();
        List<String> clusters = new ArrayList<>();
        c.path("clusters").forEach(n -> clusters.add(n.asText()));
        Instance i = new Instance();
        i.setIp(c.path("ip").asText());
        i.setPort(c.path("port").asInt());
        i.setClusterName(c.path("cluster").asText());
        i.setWeight(c.path("weight").asDouble());
        i.setEphemeral(c.path("ephemeral").asBoolean());
        i.setEnabled(c.path("enabled").asBoolean());
        Map<String, String> metadata = new HashMap<>();
        c.path("metadata").fields().forEachRemaining(e -> metadata.put(e.getKey(), e.getValue().asText()));
        i.setMetadata(metadata);
        switch (c.get("op").asText()) {
            case "register":
                naming.registerInstance(service, group, i);
                break;
            case "deregister":
                naming.deregisterInstance(service, group, i);
                break;
            case "select":
                r.set("hosts", hosts(c.path("healthyOnly").asBoolean()
                    ? naming.selectInstances(service, group, clusters, true, false)
                    : naming.getAllInstances(service, group, clusters, false)));
                break;
            case "subscribe":
                naming.subscribe(service, group, clusters, event -> {
                    ObjectNode push = JSON.createObjectNode();
                    push.put("event", "push").put("service", service);
                    push.set("hosts", hosts(((NamingEvent) event).getInstances()));
                    try {
                        say(push);
                    } catch (Exception e) {
                        throw new IllegalStateException(e);
                    }
                });
                break;
            case "services":
                r.set("names", JSON.valueToTree(naming.getServicesOfServer(1, 1000, group).getData()));
                break;
            default:
                r.put("error", "unknown op " + c.get("op").asText());
        }
    }
}
