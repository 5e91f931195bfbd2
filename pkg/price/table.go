// Package price knows what AWS charges: a dated table of list prices, and what recorded use costs by them.
//
//	table := price.Default()
//	cost, err := table.Bill(uses)   // cost.Total, cost.Lines
//
// It does no I/O. Amounts of money are whole nano-dollars (Money), and rates are exact decimal
// numbers, so that no sum depends on its order. An amount is rounded once, when all of one kind of use has been added up.
package price

import (
	"bytes"
	_ "embed" // the table
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"time"
)

// Table is what AWS charges in a region.
type Table struct {
	Date   Date    `json:"date"` // when the newest of its prices was read
	Region string  `json:"region"`
	Prices []Price `json:"prices"`
	// Spot is the share of the On-Demand price, in percent, that a Spot instance is taken to cost: it changes by the hour.
	Spot Share `json:"spot"`
}

// Price is a list price.
type Price struct {
	ID      ID     `json:"id"`
	Service string `json:"service"`
	Unit    string `json:"unit"` // of what it is the price of one, or of Per: "GB-second"
	Per     int64  `json:"per"`  // units that USD is the price of: 1,000,000 for requests
	// USD is a decimal number of dollars. Where a service charges less for large amounts, it is the price of the first tier:
	// no job reaches the second one.
	USD    string `json:"usd"`
	Source string `json:"source"`
	Read   Date   `json:"read"` // when
	Sure   Sure   `json:"sure"`
	Note   string `json:"note,omitempty"`
}

// Share is a range of percentages.
type Share struct {
	Low    int64  `json:"low"`
	High   int64  `json:"high"`
	Source string `json:"source"`
	Sure   Sure   `json:"sure"`
}

// Sure says how sure a price is.
type Sure string

// How sure prices are.
const (
	High   Sure = "high"   // read from AWS, or from two sources that agree
	Medium Sure = "medium" // from one source, or an older one
	Low    Sure = "low"    // an assumption
)

// ID names a price.
type ID string

// The prices that costs are computed from. Those of instances have the family or the type behind a prefix: "ec2.vcpu-hour.c7i".
const (
	LambdaX86       ID = "lambda.gb-second.x86_64"
	LambdaArm       ID = "lambda.gb-second.arm64"
	LambdaDisk      ID = "lambda.tmp-gb-second"
	LambdaRequests  ID = "lambda.requests"
	Transitions     ID = "states.transitions"
	ExpressRequests ID = "states.express-requests"
	ExpressMemory   ID = "states.express-gb-second"
	DynamoWrites    ID = "dynamodb.writes"
	DynamoReads     ID = "dynamodb.reads"
	S3Puts          ID = "s3.puts"
	S3Gets          ID = "s3.gets"
	S3Storage       ID = "s3.gb-month"
	EFSRead         ID = "efs.gb-read"
	EFSWritten      ID = "efs.gb-written"
	EFSStorage      ID = "efs.gb-month"
	TransferOut     ID = "transfer.gb-out"
	TransferZones   ID = "transfer.gb-between-zones"
	Endpoint        ID = "transfer.gb-endpoint"
	MediaConvert    ID = "mediaconvert.basic-minute"

	vcpuHour     = "ec2.vcpu-hour."
	instanceHour = "ec2.hour."
)

// required are the prices without which a table is of no use.
var required = []ID{
	LambdaX86, LambdaArm, LambdaDisk, LambdaRequests, Transitions, ExpressRequests, ExpressMemory, DynamoWrites, DynamoReads,
	S3Puts, S3Gets, S3Storage, EFSRead, EFSWritten, EFSStorage, TransferOut, TransferZones, Endpoint, MediaConvert,
	vcpuHour + defaultX86, vcpuHour + defaultArm, instanceHour + defaultGPU,
}

// The instances that a job on Batch is taken to run on where its record does not say.
const (
	defaultX86 = "c7i"
	defaultArm = "c7g"
	defaultGPU = "g4dn.xlarge"
)

// Date is a day, as 2006-01-02.
type Date string

func (d Date) valid() bool {
	_, err := time.Parse(time.DateOnly, string(d))
	return err == nil
}

//go:embed table.json
var embedded []byte

// Default returns the table that is part of the program.
var Default = sync.OnceValue(func() Table {
	t, err := Parse(embedded)
	if err != nil {
		panic(err) // a test reads it
	}
	return t
})

// MaxTable is more than any table has, in bytes.
const MaxTable = 1 << 20

// Parse reads a table from JSON, and checks it.
func Parse(data []byte) (Table, error) {
	var t Table
	if len(data) > MaxTable {
		return t, fmt.Errorf("%d bytes are too many for a table of prices", len(data))
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&t); err != nil {
		return t, fmt.Errorf("table of prices: %w", err)
	}
	return t, t.check()
}

// Format writes a table as Parse reads it.
func (t Table) Format() ([]byte, error) {
	data, err := json.MarshalIndent(t, "", "\t")
	return append(data, '\n'), err
}

// maxUSD is above every price in a table, and far below what would overflow.
const maxUSD = 1000

func (t Table) check() error {
	if !t.Date.valid() {
		return fmt.Errorf("table of prices: %q is not a date", t.Date)
	}
	if t.Region == "" {
		return fmt.Errorf("table of prices: no region")
	}
	if t.Spot.Low < 1 || t.Spot.High < t.Spot.Low || t.Spot.High > 100 {
		return fmt.Errorf("table of prices: Spot from %d to %d percent", t.Spot.Low, t.Spot.High)
	}
	seen := map[ID]bool{}
	for _, p := range t.Prices {
		if err := p.check(); err != nil {
			return fmt.Errorf("table of prices: %s: %w", p.ID, err)
		}
		if seen[p.ID] {
			return fmt.Errorf("table of prices: %s is there twice", p.ID)
		}
		seen[p.ID] = true
	}
	for _, id := range required {
		if !seen[id] {
			return fmt.Errorf("table of prices: %s is missing", id)
		}
	}
	return nil
}

func (p Price) check() error {
	usd, err := parseDecimal(p.USD)
	switch {
	case err != nil:
		return err
	case usd.Sign() == 0 || usd.Cmp(big.NewRat(maxUSD, 1)) > 0:
		return fmt.Errorf("%s USD is no price", p.USD)
	case p.Per < 1:
		return fmt.Errorf("a price of %d units", p.Per)
	case p.Unit == "" || p.Service == "" || p.Source == "":
		return fmt.Errorf("service, unit or source is missing")
	case !p.Read.valid():
		return fmt.Errorf("%q is not a date", p.Read)
	case p.Sure != High && p.Sure != Medium && p.Sure != Low:
		return fmt.Errorf("%q does not say how sure it is", p.Sure)
	}
	return nil
}

// find returns a price of the table.
func (t Table) find(id ID) (Price, bool) {
	i := slices.IndexFunc(t.Prices, func(p Price) bool { return p.ID == id })
	if i < 0 {
		return Price{}, false
	}
	return t.Prices[i], true
}

// rate returns the dollars for one unit, and the unit. Every required price is there, because Parse has checked that.
func (t Table) rate(id ID) (*big.Rat, string) {
	p, ok := t.find(id)
	usd, err := parseDecimal(p.USD)
	if !ok || err != nil || p.Per < 1 {
		return new(big.Rat), "" // of a Table that Parse did not make
	}
	return usd.Quo(usd, new(big.Rat).SetInt64(p.Per)), p.Unit
}

// Of returns the price of n units.
func (t Table) Of(id ID, n int64) Money {
	rate, _ := t.rate(id)
	return exact(rate.Mul(rate, new(big.Rat).SetInt64(n)))
}

// OfRatio returns the price of n/d units.
func (t Table) OfRatio(id ID, n, d int64) Money {
	rate, _ := t.rate(id)
	return exact(rate.Mul(rate, big.NewRat(n, d)))
}

// family returns the family of an instance type: c7i of c7i.2xlarge.
func family(instance string) string {
	name, _, _ := strings.Cut(instance, ".")
	return name
}
