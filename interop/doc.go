// Package interop runs Acta's programs against programs and libraries from elsewhere that speak the same public formats.
//
// What two implementations agree on is the specification; what only ours believes is a mistake waiting to be found. So each test
// here has one side that was written by others: their witness cosigns our log, their client reads it, our witness cosigns their log.
// README.md lists whose they are, with versions. Everything happens on the loopback interface.
package interop
