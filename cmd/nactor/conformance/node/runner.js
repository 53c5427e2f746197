'use strict';
// The runner for the Nacos Node SDK: it does what the lines of JSON on stdin say and
// answers on stdout. See package conformance for the protocol.

const readline = require('readline');
const { NacosNamingClient } = require('nacos');
// The naming client is a package of its own; its version is the one that counts.
const sdk = require('nacos-naming/package.json').version;

const say = o => process.stdout.write(JSON.stringify(o) + '\n');
const silent = () => {};
const complain = e => process.stderr.write(String((e && e.stack) || e) + '\n');
const logger = { debug: silent, info: silent, log: silent, warn: complain, error: complain };

const host = h => ({
  ip: h.ip, port: h.port, cluster: h.clusterName, weight: h.weight, healthy: h.healthy, enabled: h.enabled,
  ephemeral: h.ephemeral, instanceId: h.instanceId, serviceName: h.serviceName, metadata: h.metadata,
});

const clients = new Map(); // name → NacosNamingClient
const listeners = new Map(); // client and service → what the SDK calls
const key = (client, a) => [client, a.group, a.service, ...(a.clusters || [])].join('@@');

async function act({ op, client: name, args: a }) {
  if (op === 'create') {
    const client = new NacosNamingClient({ logger, serverList: a.servers, namespace: a.namespace || 'public' });
    await client.ready();
    clients.set(name, client);
    return {};
  }
  const client = clients.get(name);
  if (!client) throw new Error(`no client "${name}"`);
  const clusters = (a.clusters || []).join(',');
  const instance = {
    ip: a.ip, port: a.port, weight: a.weight, clusterName: a.cluster, ephemeral: a.ephemeral, enabled: a.enabled,
    healthy: true, metadata: a.metadata || {},
  };
  switch (op) {
    case 'register':
      await client.registerInstance(a.service, instance, a.group);
      return {};
    case 'deregister':
      await client.deregisterInstance(a.service, instance, a.group);
      return {};
    case 'list':
      return { hosts: (await client.getAllInstances(a.service, a.group, clusters, false)).map(host) };
    case 'select':
      return { hosts: (await client.selectInstances(a.service, a.group, clusters, a.healthy, false)).map(host) };
    case 'subscribe': {
      const listener = hosts => say({ event: 'push', client: name, service: a.service, group: a.group, hosts: hosts.map(host), at: Date.now() });
      listeners.set(key(name, a), listener);
      client.subscribe({ serviceName: a.service, groupName: a.group, clusters }, listener);
      return {};
    }
    case 'unsubscribe':
      client.unSubscribe({ serviceName: a.service, groupName: a.group, clusters }, listeners.get(key(name, a)));
      listeners.delete(key(name, a));
      return {};
    case 'services':
      // The SDK has the request but no public way to it.
      return { services: (await client._serverProxy.getServiceList(1, 1000, a.group)).data };
    case 'close':
      await client.close();
      clients.delete(name);
      return {};
    default:
      throw new Error(`no operation "${op}"`);
  }
}

readline.createInterface({ input: process.stdin })
  .on('line', async line => {
    const r = JSON.parse(line);
    try {
      say({ id: r.id, ok: { sdk, ...await act(r) } });
    } catch (e) {
      say({ id: r.id, error: String((e && e.message) || e) });
    }
  })
  .on('close', () => process.exit(0));
