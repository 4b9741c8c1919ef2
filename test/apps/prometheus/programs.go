//go:build programs

// Package programs keeps in go.mod what Prometheus's own program needs.
package programs

import _ "github.com/prometheus/prometheus/cmd/prometheus"
