// Package logging writes the log files that Nacos operators know: nacos.log,
// naming-server.log, naming-raft.log and naming-push.log, one event a line, each file
// bounded in size and in the number of old ones kept.
//
// A line is the local time, the level, the message exactly as given and then the
// attributes: "2026-05-04 13:01:02,345 INFO upgrade check result true node=10.0.0.1:8848".
// Scripts search for messages, so the wording of a message is part of the outside view.
package logging
