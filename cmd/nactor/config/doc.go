// Package config turns what an operator wrote (conf/application.properties,
// conf/cluster.conf, the environment, flags) into one [Config], or into errors that name
// the key, the value, where it was found and what to write instead.
//
// Sources, the later one wins: built-in defaults, conf/application.properties, the
// environment, --set key=value, dedicated flags such as -m. Keys are Nacos's own where
// Nacos has the setting and begin with "nactor." where it does not; [Keys] lists them.
package config
