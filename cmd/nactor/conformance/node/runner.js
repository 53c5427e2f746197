'use strict';
// The runner for the Nacos Node SDK. See package conformance.

const readline = require('readline');
const { NacosNamingClient } = require('nacos');

const [addr, namespace] = process.argv.slice(2);
const say = r => process.stdout.write(JSON.stringify(r) + '\n');
const silent = () => {};
const logger = { debug: silent, info: silent, warn: silent, error: e => process.stderr.write(String(e && e.stack || e) + '\n'), log: silent };

const host = h => ({ ip: h.ip, port: h.port, cluster: h.clusterName, weight: h.weight, healthy: h.healthy, enabled: h.enabled, metadata: h.metadata || {} });

async function act(client, c) {
  const instance = { ip: c.ip, port: c.port, weight: c.weight, ephemeral: c.ephemeral, clusterName: c.cluster, enabled: c.enabled, healthy: true, metadata: c.metadata || {} };
  const clusters = (c.clusters || []).join(',');
  switch (c.op) {
    case 'register':
      await client.registerInstance(c.service, instance, c.group);
      return {};
    case 'deregister':
      await client.deregisterInstance(c.service, instance, c.group);
      return {};
    case 'select': {
      const list = c.healthyOnly
        ? await client.selectInstances(c.service, c.group, clusters, true, false)
        : await client.getAllInstances(c.service, c.group, clusters, false);
      return { hosts: list.map(host) };
    }
    case 'subscribe':
      client.subscribe({ serviceName: c.service, groupName: c.group, clusters }, hosts => say({ event: 'push', service: c.service, hosts: hosts.map(host) }));
      return {};
    case 'services': {
      const list = await client._serverProxy.getServiceList(1, 1000, c.group);
      return { names: list.data };
    }
    default:
      return { error: 'unknown op ' + c.op };
  }
}

(async () => {
  const client = new NacosNamingClient({ logger, serverList: addr, namespace: namespace || 'public' });
  await client.ready();
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const c = JSON.parse(line);
    try {
      say(Object.assign({ id: c.id }, await act(client, c)));
    } catch (e) {
      say({ id: c.id, error: String(e && e.message || e) });
    }
  }
  process.exit(0);
})().catch(e => { logger.error(e); process.exit(1); });
