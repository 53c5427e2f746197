//! The runner for the Nacos Rust SDK: it does what the lines of JSON on stdin say and
//! answers on stdout. See package conformance for the protocol.

use nacos_sdk::api::naming::{
    NamingChangeEvent, NamingEventListener, NamingService, NamingServiceBuilder, ServiceInstance,
};
use nacos_sdk::api::props::ClientProps;
use serde::Deserialize;
use serde_json::{json, Value};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncBufReadExt, BufReader};

#[derive(Deserialize)]
struct Request {
    id: u64,
    op: String,
    client: String,
    args: Args,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Args {
    servers: String,
    namespace: String,
    dir: String,
    service: String,
    group: String,
    ip: String,
    port: i32,
    cluster: String,
    weight: f64,
    metadata: HashMap<String, String>,
    ephemeral: bool,
    enabled: bool,
    healthy: bool,
    clusters: Vec<String>,
    ips: Vec<String>,
}

impl Args {
    fn instance(&self, ip: &str) -> ServiceInstance {
        ServiceInstance {
            ip: ip.to_string(),
            port: self.port,
            weight: self.weight,
            healthy: true,
            enabled: self.enabled,
            ephemeral: self.ephemeral,
            cluster_name: Some(self.cluster.clone()),
            metadata: self.metadata.clone(),
            ..Default::default()
        }
    }

    fn key(&self, client: &str) -> String {
        [client, &self.group, &self.service, &self.clusters.join(",")].join("@@")
    }
}

/// The version of the SDK, as it was locked.
fn version() -> &'static str {
    let mut lines = include_str!("../Cargo.lock").lines();
    lines.find(|l| *l == "name = \"nacos-sdk\"");
    let line = lines.next().unwrap_or("");
    line.trim_start_matches("version = ").trim_matches('"')
}

fn say(v: Value) {
    println!("{v}");
}

fn hosts(list: &[ServiceInstance]) -> Value {
    list.iter()
        .map(|h| {
            json!({"ip": h.ip, "port": h.port, "cluster": h.cluster_name, "weight": h.weight, "healthy": h.healthy,
                "enabled": h.enabled, "ephemeral": h.ephemeral, "instanceId": h.instance_id,
                "serviceName": h.service_name, "metadata": h.metadata})
        })
        .collect()
}

struct Listener {
    client: String,
    service: String,
    group: String,
}

impl NamingEventListener for Listener {
    fn event(&self, event: Arc<NamingChangeEvent>) {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        let list = event.instances.as_deref().unwrap_or_default();
        say(json!({"event": "push", "client": self.client, "service": self.service, "group": self.group,
            "hosts": hosts(list), "at": at}));
    }
}

#[derive(Default)]
struct Runner {
    clients: Mutex<HashMap<String, NamingService>>,
    listeners: Mutex<HashMap<String, Arc<Listener>>>,
}

type Outcome = Result<Value, Box<dyn std::error::Error + Send + Sync>>;

impl Runner {
    async fn act(&self, op: &str, name: &str, a: &Args) -> Outcome {
        if op == "create" {
            let namespace = if a.namespace.is_empty() { "public" } else { &a.namespace };
            let props = ClientProps::new()
                .server_addr(&a.servers)
                .namespace(namespace)
                .cache_dir(&a.dir)
                .app_name("conformance")
                .naming_push_empty_protection(false);
            let made = NamingServiceBuilder::new(props).build().await?;
            self.clients.lock().unwrap().insert(name.to_string(), made);
            return Ok(json!({}));
        }
        if op == "close" {
            self.clients.lock().unwrap().remove(name);
            return Ok(json!({}));
        }
        let c = self.clients.lock().unwrap().get(name).cloned().ok_or("no such client")?;
        let (service, group, clusters) = (a.service.clone(), Some(a.group.clone()), a.clusters.clone());
        match op {
            "register" => c.register_instance(service, group, a.instance(&a.ip)).await?,
            "batch" => {
                let list = a.ips.iter().map(|ip| a.instance(ip)).collect();
                c.batch_register_instance(service, group, list).await?
            }
            "deregister" => c.deregister_instance(service, group, a.instance(&a.ip)).await?,
            "list" => {
                let list = c.get_all_instances(service, group, clusters, false).await?;
                return Ok(json!({"hosts": hosts(&list)}));
            }
            "select" => {
                let list = c.select_instances(service, group, clusters, false, a.healthy).await?;
                return Ok(json!({"hosts": hosts(&list)}));
            }
            "subscribe" => {
                let l = Arc::new(Listener {
                    client: name.to_string(),
                    service: a.service.clone(),
                    group: a.group.clone(),
                });
                self.listeners.lock().unwrap().insert(a.key(name), l.clone());
                c.subscribe(service, group, clusters, l).await?
            }
            "unsubscribe" => {
                let l = self.listeners.lock().unwrap().remove(&a.key(name)).ok_or("not subscribed")?;
                c.unsubscribe(service, group, clusters, l).await?
            }
            "services" => {
                let (names, _) = c.get_service_list(1, 1000, group).await?;
                return Ok(json!({"services": names}));
            }
            _ => return Err(format!("no operation {op}").into()),
        }
        Ok(json!({}))
    }
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runner = Arc::new(Runner::default());
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let r: Request = serde_json::from_str(&line)?;
        let runner = runner.clone();
        // A slow call holds up nobody else.
        tokio::spawn(async move {
            match runner.act(&r.op, &r.client, &r.args).await {
                Ok(mut ok) => {
                    ok["sdk"] = version().into();
                    say(json!({"id": r.id, "ok": ok}));
                }
                Err(e) => say(json!({"id": r.id, "error": e.to_string()})),
            }
        });
    }
    std::process::exit(0)
}
