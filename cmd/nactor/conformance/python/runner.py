"""The runner for the Nacos Python SDK: it does what the lines of JSON on stdin say and
answers on stdout. See package conformance for the protocol."""
import asyncio
import json
import logging
import sys
import time
import traceback
from importlib.metadata import version

from v2.nacos import (BatchRegisterInstanceParam, ClientConfigBuilder, DeregisterInstanceParam, GRPCConfig, ListInstanceParam,
                      ListServiceParam, NacosNamingService, RegisterInstanceParam, SubscribeServiceParam)

OUT = sys.stdout
sys.stdout = sys.stderr  # what the SDK prints is no answer


def say(o):
    OUT.write(json.dumps(o) + "\n")
    OUT.flush()


def host(h):
    return {"ip": h.ip, "port": h.port, "cluster": h.clusterName, "weight": h.weight, "healthy": h.healthy, "enabled": h.enabled,
            "ephemeral": h.ephemeral, "instanceId": h.instanceId, "serviceName": h.serviceName, "metadata": h.metadata}


clients = {}
listeners = {}  # client and service: what the SDK calls


def instance(a, ip):
    return RegisterInstanceParam(ip=ip, port=a["port"], weight=a["weight"], enabled=a["enabled"], healthy=True, metadata=a.get("metadata") or {},
                                 cluster_name=a["cluster"], service_name=a["service"], group_name=a["group"], ephemeral=a["ephemeral"])


def done(ok):
    if not ok:
        raise RuntimeError("the server refused it")
    return {}


async def act(op, name, a):
    if op == "create":
        config = (ClientConfigBuilder().server_address(a["servers"]).namespace_id(a.get("namespace") or "public")
                  .log_dir(a["dir"]).cache_dir(a["dir"]).log_level(logging.WARNING).grpc_config(GRPCConfig(grpc_timeout=5000)).build())
        config.update_cache_when_empty = True
        clients[name] = await NacosNamingService.create_naming_service(config)
        return {}
    c = clients[name]
    of = {"service_name": a["service"], "group_name": a["group"]}
    key = (name, a["group"], a["service"], tuple(a.get("clusters") or []))
    if op == "register":
        return done(await c.register_instance(instance(a, a["ip"])))
    if op == "batch":
        return done(await c.batch_register_instances(BatchRegisterInstanceParam(instances=[instance(a, ip) for ip in a["ips"]], **of)))
    if op == "deregister":
        return done(await c.deregister_instance(DeregisterInstanceParam(ip=a["ip"], port=a["port"], cluster_name=a["cluster"], ephemeral=a["ephemeral"], **of)))
    if op in ("list", "select"):
        found = await c.list_instances(ListInstanceParam(clusters=a.get("clusters") or [], subscribe=False, healthy_only=True if op == "select" else None, **of))
        return {"hosts": [host(h) for h in found]}
    if op == "subscribe":
        async def listener(hosts):
            say({"event": "push", "client": name, "service": a["service"], "group": a["group"], "hosts": [host(h) for h in hosts], "at": int(time.time() * 1000)})
        listeners[key] = SubscribeServiceParam(clusters=a.get("clusters") or [], subscribe_callback=listener, **of)
        await c.subscribe(listeners[key])
        return {}
    if op == "unsubscribe":
        await c.unsubscribe(listeners.pop(key))
        return {}
    if op == "services":
        return {"services": (await c.list_services(ListServiceParam(namespace_id=c.namespace_id, group_name=a["group"], page_no=1, page_size=1000))).services}
    if op == "close":
        await c.shutdown()
        return {}
    raise ValueError("no operation " + op)


async def answer(line):
    r = json.loads(line)
    try:
        ok = await act(r["op"], r["client"], r["args"])
        say({"id": r["id"], "ok": {"sdk": version("nacos-sdk-python"), **ok}})
    except Exception as e:
        traceback.print_exc()
        say({"id": r["id"], "error": str(e) or repr(e)})


async def main():
    reader = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    tasks = set()  # a slow call holds up nobody else
    while line := await reader.readline():
        task = asyncio.create_task(answer(line))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


asyncio.run(main())
