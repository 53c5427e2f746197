import com.alibaba.nacos.api.NacosFactory;
import com.alibaba.nacos.api.PropertyKeyConst;
import com.alibaba.nacos.api.naming.NamingService;
import com.alibaba.nacos.api.naming.listener.EventListener;
import com.alibaba.nacos.api.naming.listener.NamingEvent;
import com.alibaba.nacos.api.naming.pojo.Instance;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * The runner for the Nacos Java client: it does what the lines of JSON on stdin say and
 * answers on stdout. See package conformance for the protocol.
 */
public class Runner {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final PrintStream OUT = new PrintStream(new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8);
    private static final String SDK = version();
    private static final Map<String, NamingService> CLIENTS = new ConcurrentHashMap<>();
    private static final Map<String, EventListener> LISTENERS = new ConcurrentHashMap<>();

    public static void main(String[] none) throws Exception {
        System.setOut(System.err); // whatever logs must not speak on our line
        ExecutorService calls = Executors.newCachedThreadPool(); // a slow call holds up nobody else
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonNode request = JSON.readTree(line);
            calls.execute(() -> answer(request));
        }
        Runtime.getRuntime().halt(0); // at once: nothing is deregistered
    }

    private static void answer(JsonNode request) {
        ObjectNode reply = JSON.createObjectNode();
        reply.set("id", request.get("id"));
        try {
            ObjectNode ok = JSON.createObjectNode();
            act(request, ok);
            ok.put("sdk", SDK);
            reply.set("ok", ok);
        } catch (Throwable e) {
            e.printStackTrace();
            reply.put("error", e.toString());
        }
        say(reply);
    }

    /**
     * Says which client is on the class path, whatever was asked for: its jars' versions and
     * the one that it tells servers, joined by commas should they differ.
     */
    private static String version() {
        Set<String> found = new TreeSet<>();
        try { // the constant is not there in all versions
            Object constant = Class.forName("com.alibaba.nacos.client.naming.utils.UtilAndComs").getField("VERSION").get(null);
            found.add(constant.toString().replace("Nacos-Java-Client:v", ""));
        } catch (ReflectiveOperationException e) {
            // the jars say it too
        }
        try {
            for (String jar : List.of("nacos-client", "nacos-api", "nacos-common")) {
                String path = "META-INF/maven/com.alibaba.nacos/" + jar + "/pom.properties";
                for (URL u : Collections.list(Runner.class.getClassLoader().getResources(path))) {
                    Properties p = new Properties();
                    try (InputStream in = u.openStream()) {
                        p.load(in);
                    }
                    found.add(p.getProperty("version"));
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return String.join(",", found);
    }

    private static synchronized void say(ObjectNode line) {
        OUT.println(line);
        OUT.flush();
    }

    private static void act(JsonNode request, ObjectNode ok) throws Exception {
        String op = request.get("op").asText();
        String name = request.path("client").asText();
        JsonNode a = request.path("args");
        if (op.equals("create")) {
            Properties p = new Properties();
            p.put(PropertyKeyConst.SERVER_ADDR, a.get("servers").asText());
            if (!a.path("namespace").asText().isEmpty()) {
                p.put(PropertyKeyConst.NAMESPACE, a.get("namespace").asText());
            }
            CLIENTS.put(name, NacosFactory.createNamingService(p));
            return;
        }
        NamingService client = CLIENTS.get(name);
        if (client == null) {
            throw new IllegalArgumentException("no client " + name);
        }
        String service = a.path("service").asText();
        String group = a.path("group").asText();
        List<String> clusters = new ArrayList<>();
        a.path("clusters").forEach(c -> clusters.add(c.asText()));
        String key = name + "@@" + group + "@@" + service + "@@" + clusters;
        switch (op) {
            case "register":
                client.registerInstance(service, group, instance(a));
                break;
            case "deregister":
                client.deregisterInstance(service, group, instance(a));
                break;
            case "list":
                ok.set("hosts", hosts(client.getAllInstances(service, group, clusters, false)));
                break;
            case "select":
                ok.set("hosts", hosts(client.selectInstances(service, group, clusters, a.path("healthy").asBoolean(), false)));
                break;
            case "subscribe":
                EventListener listener = event -> {
                    ObjectNode push = JSON.createObjectNode();
                    push.put("event", "push").put("client", name).put("service", service).put("group", group);
                    push.put("at", System.currentTimeMillis());
                    push.set("hosts", hosts(((NamingEvent) event).getInstances()));
                    say(push);
                };
                LISTENERS.put(key, listener);
                client.subscribe(service, group, clusters, listener);
                break;
            case "unsubscribe":
                client.unsubscribe(service, group, clusters, LISTENERS.remove(key));
                break;
            case "services":
                ok.set("services", JSON.valueToTree(client.getServicesOfServer(1, 1000, group).getData()));
                break;
            case "close":
                CLIENTS.remove(name);
                client.shutDown();
                break;
            default:
                throw new IllegalArgumentException("no operation " + op);
        }
    }

    private static Instance instance(JsonNode a) {
        Instance i = new Instance();
        i.setIp(a.path("ip").asText());
        i.setPort(a.path("port").asInt());
        i.setClusterName(a.path("cluster").asText());
        i.setWeight(a.path("weight").asDouble());
        i.setEphemeral(a.path("ephemeral").asBoolean());
        i.setEnabled(a.path("enabled").asBoolean());
        Map<String, String> metadata = new HashMap<>();
        a.path("metadata").fields().forEachRemaining(e -> metadata.put(e.getKey(), e.getValue().asText()));
        i.setMetadata(metadata);
        return i;
    }

    private static ArrayNode hosts(List<Instance> list) {
        ArrayNode out = JSON.createArrayNode();
        for (Instance i : list) {
            ObjectNode h = out.addObject();
            h.put("ip", i.getIp()).put("port", i.getPort()).put("cluster", i.getClusterName()).put("weight", i.getWeight());
            h.put("healthy", i.isHealthy()).put("enabled", i.isEnabled()).put("ephemeral", i.isEphemeral());
            h.put("instanceId", i.getInstanceId()).put("serviceName", i.getServiceName());
            h.set("metadata", JSON.valueToTree(i.getMetadata()));
        }
        return out;
    }
}
