package intake

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/mapreel/mapreel/pkg/engine"
)

// Rates are prices in USD for a second of a worker, by service and class: "lambda/encode", "batch/encode",
// "batch/encode/gpu". infra computes them from list prices and the sizes of the workers.
type Rates map[string]float64

// ParseRates reads rates from JSON. The empty text has none.
func ParseRates(text string) (Rates, error) {
	if text == "" {
		return nil, nil
	}
	var r Rates
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return nil, fmt.Errorf("rates: %w", err)
	}
	return r, nil
}

// RateKey returns the key of Rates for a class on a service.
func RateKey(u engine.Usage) string {
	key := string(u.Service) + "/" + string(u.Class)
	if u.GPU {
		key += "/gpu"
	}
	return key
}

// Cost is an estimate of what a job's finished work cost in Lambda and Batch, from list prices. It leaves out attempts that
// failed, storage, requests, and idle time of instances.
type Cost struct {
	USD     float64 `json:"usd"`
	Workers []Spent `json:"workers"`
}

// Spent is the part of one class of workers.
type Spent struct {
	engine.Usage
	Seconds float64 `json:"seconds"`
	USD     float64 `json:"usd"`
}

// cost returns nil where nothing has been used, or prices are unknown.
func (r Rates) cost(usage []engine.Usage) *Cost {
	if len(r) == 0 || len(usage) == 0 {
		return nil
	}
	c := &Cost{}
	for _, u := range usage {
		seconds := u.Elapsed.Seconds()
		s := Spent{Usage: u, Seconds: u.Elapsed.Round(time.Millisecond).Seconds(), USD: round(seconds * r[RateKey(u)])}
		c.Workers = append(c.Workers, s)
		c.USD += seconds * r[RateKey(u)]
	}
	c.USD = round(c.USD)
	return c
}

// USD returns what finished work cost in Lambda and Batch, from list prices.
func (r Rates) USD(usage []engine.Usage) float64 {
	if c := r.cost(usage); c != nil {
		return c.USD
	}
	return 0
}

// round rounds to hundredths of a cent.
func round(usd float64) float64 { return float64(int64(usd*1e4+0.5)) / 1e4 }
