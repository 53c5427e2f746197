// Package probe checks persistent instances from the server's side. Their clients send no
// heartbeats; their health is what a check of their own address finds. The owner of a
// service shows each view to the [Prober], which reports changes of health as commands.
//
// What is checked how is told by the cluster of the instance (naming.ClusterMeta); one
// without settings is checked as in Nacos: by TCP on the instance's own port.
//
//   - TCP: a connection within 500 ms is a success, a refused one an immediate failure,
//     anything else a failure.
//   - HTTP: GET of the path with the headers "k:v|k2:v2". The expected status (200 if not
//     given) is a success; 503 and 302 are failures, any other status and a refused
//     connection immediate ones. 500 ms for the connection, 500 ms for the answer.
//   - NONE: not checked, an operator sets the health.
//   - MYSQL: log in on the instance's own port as user with pwd, run cmd, close. An answer is
//     a success; "show global variables where variable_name='read_only'" answered with ON, a
//     slave, is a failure. So is a time-out: 500 ms for the connection and for each answer,
//     1 s for the login and for the command. Errors of the server, a refused connection, a
//     reset and what is not MySQL are immediate failures.
//
// Switch checkTimes (3) successes or failures in a row change the health, an immediate
// failure at once. Nothing is checked while switch healthCheckEnabled is off, except the
// services in healthCheckWhiteList. The first check comes 2 s and up to another
// tcpHealthParams.max after an instance is seen; the next ones follow at an interval that
// adapts to how long answers take, within tcpHealthParams, httpHealthParams or
// mysqlHealthParams. These are the rules of Nacos 2.0.3 (HealthCheckTaskV2,
// HealthCheckCommonV2 and the processors for TCP, HTTP and MYSQL). Other than there:
//
//   - the expected status is obeyed; Nacos stores it and always wants 200.
//   - an instance has its own interval; in Nacos all instances of one ip:port share one.
//   - disabled instances are not checked; their health stays as it is.
//   - a check by MYSQL makes a connection. Nacos keeps one an instance for ever, which hides a
//     changed password and takes a restart of the server for a failure. One time-out is no
//     immediate failure, which it is in Nacos, although its code counts to three.
//   - with more instances than can be checked at the adapted interval at a moderate rate,
//     intervals grow up to the maximum.
//   - a failure of this node (no file descriptor, no local port) says nothing about the
//     instance.
//   - HTTP checks of link-local and cloud metadata addresses are refused, also when a name
//     resolves to one; redirects are never followed and bodies never read. Who may register
//     an instance could else make the server ask for secrets.
package probe
