// An OTLP/HTTP endpoint for metrics that maps them as Datadog's Agent and exporter do, with Datadog's own library, and prints
// each mapped point as a line of JSON. The first line is {"port": N}.
package main

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/DataDog/datadog-agent/pkg/opentelemetry-mapping-go/otlp/attributes"
	"github.com/DataDog/datadog-agent/pkg/opentelemetry-mapping-go/otlp/attributes/source"
	"github.com/DataDog/datadog-agent/pkg/opentelemetry-mapping-go/otlp/metrics"
	"github.com/DataDog/datadog-agent/pkg/util/quantile"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	meters "go.opentelemetry.io/otel/metric/noop"
	tracers "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"
)

const (
	// It ends by itself when the test that started it is gone.
	longestLife  = 10 * time.Minute
	longestBody  = 64 << 20
	machine      = "collector-host"
	protobufType = "application/x-protobuf"
)

// point is one mapped point. Time is in nanoseconds since 1970, as the library gives it; a sketch has a count and a sum.
type point struct {
	Name     string   `json:"name"`
	Type     string   `json:"type"`
	Tags     []string `json:"tags"`
	Host     string   `json:"host"`
	Unit     string   `json:"unit"`
	Time     uint64   `json:"time"`
	Interval int64    `json:"interval"`
	Value    float64  `json:"value"`
	Count    int64    `json:"count,omitempty"`
}

// printer prints points as they are mapped; requests may come side by side.
type printer struct {
	mutex   sync.Mutex
	encoder *json.Encoder
}

func (p *printer) print(line any) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if err := p.encoder.Encode(line); err != nil {
		log.Fatal(err)
	}
}

func (p *printer) ConsumeTimeSeries(
	_ context.Context, dimensions *metrics.Dimensions, kind metrics.DataType, at uint64, interval int64, value float64,
) {
	name, err := kind.MarshalText()
	if err != nil {
		log.Fatal(err)
	}
	p.print(point{
		Name: dimensions.Name(), Type: string(name), Tags: tags(dimensions), Host: dimensions.Host(),
		Unit: dimensions.Unit(), Time: at, Interval: interval, Value: value,
	})
}

func (p *printer) ConsumeSketch(
	_ context.Context, dimensions *metrics.Dimensions, at uint64, interval int64, sketch *quantile.Sketch,
) {
	p.print(point{
		Name: dimensions.Name(), Type: "distribution", Tags: tags(dimensions), Host: dimensions.Host(),
		Unit: dimensions.Unit(), Time: at, Interval: interval, Value: sketch.Basic.Sum, Count: sketch.Basic.Cnt,
	})
}

// Histograms come as sketches in the mode that is chosen below.
func (p *printer) ConsumeExplicitBoundHistogram(
	context.Context, *metrics.Dimensions, pmetric.HistogramDataPointSlice,
) {
	log.Fatal("a histogram was not mapped to a distribution")
}

func (p *printer) ConsumeExponentialHistogram(
	context.Context, *metrics.Dimensions, pmetric.ExponentialHistogramDataPointSlice,
) {
	log.Fatal("an exponential histogram was not mapped to a distribution")
}

func tags(dimensions *metrics.Dimensions) []string {
	return append([]string{}, dimensions.Tags()...)
}

// machineSource names the machine where the exporter runs, for resources that name none.
type machineSource struct{}

func (machineSource) Source(context.Context) (source.Source, error) {
	return source.Source{Kind: source.HostnameKind, Identifier: machine}, nil
}

func main() {
	time.AfterFunc(longestLife, func() { os.Exit(3) })
	settings := component.TelemetrySettings{
		Logger:         zap.NewNop(),
		TracerProvider: tracers.NewTracerProvider(),
		MeterProvider:  meters.NewMeterProvider(),
		Resource:       pcommon.NewResource(),
	}
	translateAttributes, err := attributes.NewTranslator(settings)
	if err != nil {
		log.Fatal(err)
	}
	translator, err := metrics.NewDefaultTranslator(
		settings,
		translateAttributes,
		metrics.WithFallbackSourceProvider(machineSource{}),
		metrics.WithHistogramMode(metrics.HistogramModeDistributions),
		metrics.WithNumberMode(metrics.NumberModeCumulativeToDelta),
		metrics.WithUnits(),
	)
	if err != nil {
		log.Fatal(err)
	}
	out := &printer{encoder: json.NewEncoder(os.Stdout)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	out.print(map[string]int{"port": listener.Addr().(*net.TCPAddr).Port})
	http.HandleFunc("POST /v1/metrics", func(answer http.ResponseWriter, request *http.Request) {
		if err := mapRequest(request, translator, out); err != nil {
			http.Error(answer, err.Error(), http.StatusBadRequest)
			return
		}
		answer.Header().Set("content-type", protobufType)
	})
	// Spans are taken and dropped: the mapping is of metrics.
	http.HandleFunc("POST /v1/traces", func(answer http.ResponseWriter, _ *http.Request) {
		answer.Header().Set("content-type", protobufType)
	})
	log.Fatal(http.Serve(listener, nil))
}

// mapRequest maps the metrics of an OTLP request, protobuf or JSON, gzipped or not.
func mapRequest(request *http.Request, translator metrics.Provider, out metrics.Consumer) error {
	body, err := readBody(request)
	if err != nil {
		return err
	}
	sent := pmetricotlp.NewExportRequest()
	if request.Header.Get("content-type") == "application/json" {
		err = sent.UnmarshalJSON(body)
	} else {
		err = sent.UnmarshalProto(body)
	}
	if err != nil {
		return err
	}
	_, err = translator.MapMetrics(request.Context(), sent.Metrics(), out, nil)
	return err
}

func readBody(request *http.Request) ([]byte, error) {
	var reader io.Reader = request.Body
	switch encoding := request.Header.Get("content-encoding"); encoding {
	case "", "identity":
	case "gzip":
		unzipped, err := gzip.NewReader(request.Body)
		if err != nil {
			return nil, err
		}
		reader = unzipped
	default:
		return nil, errors.New("content-encoding is not understood: " + encoding)
	}
	return io.ReadAll(io.LimitReader(reader, longestBody))
}
