package price

import (
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"testing"
)

func TestTheTableOfTheProgramIsComplete(t *testing.T) {
	table := Default()
	again, err := table.Format()
	if err != nil {
		t.Fatal(err)
	}
	if string(again) != string(embedded) {
		t.Error("table.json is not as Format writes it")
	}
	if rate, unit := table.rate(LambdaX86); rate.Cmp(big.NewRat(166667, 1e10)) != 0 || unit != "GB-second" {
		t.Errorf("a GB-second costs %s USD a %s", rate, unit)
	}
}

// A function with 2,048 MiB worked for 100 s, 30 of them on other units: 2 GB × 100 s × 0.0000166667 = 0.00333334, of which
// 2 GB × 30 s × 0.0000166667 = 0.001000002.
func TestSecondTriesAreAPartOfTheBill(t *testing.T) {
	var s Sum
	s.Add(Use{Place: OnLambda, Millis: 100_000, Memory: 2048, Helped: 30_000})
	s.Add(Use{Place: OnLambda}) // the second try itself, which is in the first record
	s.Add(Use{Place: Here, Millis: 50_000, Saved: 70_000})
	if bill := Default().Bill(s); bill.Total != 3_333_340 || bill.Twins != 1_000_002 || bill.Saved != 70_000 || len(bill.Lines) != 1 {
		t.Errorf("%+v", bill)
	}
}

// The figures are worked out by hand:
//
//	Lambda   3008 MiB × 90,000 ms × 2 attempts = 528.75 GB-s × 0.0000166667      = 0.008812517625
//	/tmp     9728 MiB × 180,000 ms             = 1710 GB-s × 0.0000000309        = 0.000052839
//	requests 2 × 0.0000002                                                       = 0.0000004
//	Batch    4 vCPUs × 1800 s = 2 vCPU-h of c7g × 0.03625                        = 0.0725
//	         4 vCPUs × 900 s = 1 vCPU-h, unknown x86 (as c7i), Spot: 0.0446 × ½  = 0.0223
//	         1 GPU × 1800 s on g5.xlarge: 0.5 h × 1.006                          = 0.503
//	steps    11 × 0.000025                                                       = 0.000275
//	DynamoDB 9 × 0.000000625, 8 × 0.000000125                                    = 0.000005625, 0.000001
//	S3       20 × 0.000005, 50 × 0.0000004                                       = 0.0001, 0.00002
//	EFS      2 GiB × 0.03, 1 GiB × 0.06                                          = 0.06, 0.06
func TestABillEqualsTheHandWorkedSum(t *testing.T) {
	var s Sum
	lambda := Use{Place: OnLambda, Millis: 90_000, Arch: "amd64", Memory: 3008, Disk: 10240, Requests: 1, Transitions: 3, Puts: 10, Gets: 25, Writes: 3, Reads: 4}
	s.Add(lambda)
	s.Add(lambda)
	s.Add(Use{Place: OnBatch, Millis: 1_800_000, Arch: "arm64", CPUs: 4, Instance: "c7g.2xlarge", Transitions: 3, Writes: 3, FilesIn: 2 << 30, FilesOut: 1 << 30})
	s.Add(Use{Place: OnBatch, Millis: 900_000, CPUs: 4, Spot: true, Transitions: 1})
	s.Add(Use{Place: OnBatch, Millis: 1_800_000, CPUs: 4, GPUs: 1, Instance: "g5.xlarge", Transitions: 1})
	s.Add(Use{Place: Here, Millis: 1e9, CPU: 5000, FilesIn: 1 << 40})
	got := Default().Bill(s)
	want := map[string]Money{
		"Lambda memory of functions, x86_64": 8_812_518, "Lambda /tmp of functions": 52_839, "Lambda invocations": 400,
		"EC2 vCPUs, c7g.2xlarge": 72_500_000, "EC2 Spot vCPUs": 22_300_000, "EC2 GPU instances, g5.xlarge": 503_000_000,
		"Step Functions state transitions": 275_000, "DynamoDB writes": 5_625, "DynamoDB reads": 1_000,
		"S3 requests that write": 100_000, "S3 requests that read": 20_000, "EFS read": 60_000_000, "EFS written": 60_000_000,
	}
	var total Money
	for _, line := range got.Lines {
		name := line.Service + " " + line.What
		if line.Cost != want[name] {
			t.Errorf("%s: %s cost %d nano-dollars, want %d", name, line.Amount, line.Cost, want[name])
		}
		total += line.Cost
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("no lines for %v", want)
	}
	if got.Total != total || total != 727_067_382 {
		t.Errorf("the total is %d, its lines add up to %d, want 727067382", got.Total, total)
	}
	if s.CPU != 5000 || s.Attempts != 6 {
		t.Errorf("%d attempts took %d ms of processors", s.Attempts, s.CPU)
	}
	var services Money
	for _, one := range got.Services() {
		services += one.Cost
	}
	if services != total {
		t.Errorf("the services add up to %d", services)
	}
	for _, line := range got.Lines {
		if line.What == "Spot vCPUs" && line.Assumed != "priced as c7i; Spot at 50 % of On-Demand" {
			t.Errorf("the line of Spot assumes %q", line.Assumed)
		}
	}
}

func TestTheOrderOfUseDoesNotChangeABill(t *testing.T) {
	one := Use{Place: OnLambda, Millis: 1, Memory: 1769, Requests: 1}
	var many, twice Sum
	for range 10_000 {
		many.Add(one)
	}
	twice.Add(Use{Place: OnLambda, Millis: 10_000, Memory: 1769, Requests: 10_000})
	if a, b := Default().Bill(many).Total, Default().Bill(twice).Total; a != b {
		t.Errorf("10,000 invocations of a millisecond cost %s, at once %s", a, b)
	}
}

func TestMoneyIsReadAndWrittenExactly(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0.00 USD", "2.5": "2.50 USD", "0.125": "0.13 USD", "0.0029": "0.0029 USD", "0.012": "0.012 USD", "0.000001": "0.000001 USD",
		"1234567.890000001": "1234567.89 USD", "2.50 USD": "2.50 USD",
	} {
		m, err := ParseMoney(text)
		if err != nil || m.String() != want {
			t.Errorf("%q is %v, %v; want %s", text, m, err, want)
		}
		data, err := json.Marshal(m)
		var again Money
		if err == nil {
			err = json.Unmarshal(data, &again)
		}
		if err != nil || again != m {
			t.Errorf("%s becomes %s, and then %d: %v", text, data, again, err)
		}
	}
	for _, text := range []string{"", "-1", "1e9", "1/3", "NaN", "0x10", strings.Repeat("9", 41), "1,5"} {
		if m, err := ParseMoney(text); err == nil {
			t.Errorf("%q is %v, want an error", text, m)
		}
	}
	if m, err := ParseMoney(strings.Repeat("9", 40)); err != nil || m != math.MaxInt64 {
		t.Errorf("more than an int64 holds is %d, %v", m, err)
	}
}

func TestMediaConvertCountsNormalisedMinutes(t *testing.T) {
	hour := int64(3_600_000)
	for _, test := range []struct {
		name   string
		videos []Video
		want   Money
		more   bool
	}{
		{"an hour of SD", []Video{{"h264", 640, 360, hour, false}}, 450_000_000, false},
		{"an hour of HD", []Video{{"h264", 1920, 1080, hour, false}}, 900_000_000, false},
		{"an hour of upright HD", []Video{{"h264", 1080, 1920, hour, false}}, 900_000_000, false},
		{"an hour of fast 4K", []Video{{"h264", 3840, 2160, hour, true}}, 3_600_000_000, false},
		{"a ladder", []Video{{"h264", 1280, 720, hour, false}, {"h264", 640, 360, hour, false}}, 1_350_000_000, false},
		{"H.265, of the other tier", []Video{{"h265", 640, 360, hour, false}}, 450_000_000, true},
		{"ten seconds at least", []Video{{"h264", 640, 360, 1, false}}, 1_250_000, false},
	} {
		if got := Default().MediaConvert(test.videos); got.Cost != test.want || got.AtLeast != test.more || got.Tier != "Basic" {
			t.Errorf("%s: %+v, want %d", test.name, got, test.want)
		}
	}
}

func TestTablesThatCannotBeTrueAreRefused(t *testing.T) {
	for name, change := range map[string]func(*Table){
		"is missing":         func(t *Table) { t.Prices = t.Prices[1:] },
		"twice":              func(t *Table) { t.Prices = append(t.Prices, t.Prices[0]) },
		"is no price":        func(t *Table) { t.Prices[0].USD = "0" },
		"not an amount":      func(t *Table) { t.Prices[0].USD = "-1" },
		"not a date":         func(t *Table) { t.Date = "soon" },
		"a price of 0 units": func(t *Table) { t.Prices[0].Per = 0 },
		"how sure":           func(t *Table) { t.Prices[0].Sure = "maybe" },
		"no region":          func(t *Table) { t.Region = "" },
		"Spot":               func(t *Table) { t.Spot.High = 101 },
	} {
		var table Table
		if err := json.Unmarshal(embedded, &table); err != nil {
			t.Fatal(err)
		}
		change(&table)
		data, err := table.Format()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(data); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("a table with the fault %q gives %v", name, err)
		}
	}
	if _, err := Parse([]byte(`{"surprise": 1}`)); err == nil {
		t.Error("an unknown field is accepted")
	}
}
