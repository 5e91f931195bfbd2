package price

import (
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"time"
)

// Offer is one of AWS's public bulk price files.
type Offer struct {
	Code string // of the service, as in the file's address: "AWSLambda"
	// Large says that the file has hundreds of megabytes.
	Large bool
}

// Offers lists the files that Update reads.
func Offers() []Offer {
	return []Offer{
		{"AWSLambda", false}, {"AmazonStates", false}, {"AmazonS3", false}, {"AmazonDynamoDB", false}, {"AmazonEFS", false}, {"AmazonEC2", true},
	}
}

// Path returns where the file is, below the address of all: "offers/v1.0/aws/AWSLambda/current/us-east-1/index.json".
func (o Offer) Path(region string) string {
	return "offers/v1.0/aws/" + o.Code + "/current/" + region + "/index.json"
}

// Source is where AWS publishes the files.
const Source = "https://pricing.us-east-1.amazonaws.com"

// offerFile is what a bulk price file says of the products that have a price in the table.
type offerFile struct {
	code      string
	published time.Time
	products  map[string]product
	terms     map[string]map[string]term // On-Demand, by the product's SKU
}

type product struct {
	Attributes attributes `json:"attributes"`
}

// attributes are those by which a price is found.
type attributes struct {
	Group        string `json:"group"`
	UsageType    string `json:"usagetype"`
	Operation    string `json:"operation"`
	InstanceType string `json:"instanceType"`
	System       string `json:"operatingSystem"`
	Tenancy      string `json:"tenancy"`
	Software     string `json:"preInstalledSw"`
	Capacity     string `json:"capacitystatus"`
	VCPU         string `json:"vcpu"`
	Region       string `json:"regionCode"`
	Location     string `json:"location"`
}

type term struct {
	Dimensions map[string]dimension `json:"priceDimensions"`
}

type dimension struct {
	Begin string            `json:"beginRange"`
	Price map[string]string `json:"pricePerUnit"`
}

// wanted says which product of a file has a price.
type wanted struct {
	id    ID
	match func(p product) bool
	// optional says that a file without the product is no reason to doubt it: its name may have changed, or the region lacks it.
	optional bool
	perVCPU  bool
}

// usage reports whether a usage type is the given one, with the prefix that regions other than us-east-1 have: EUC1-Requests-Tier1.
func (a attributes) usage(name string) bool {
	return a.UsageType == name || strings.HasSuffix(a.UsageType, "-"+name) && strings.Count(a.UsageType, "-") == strings.Count(name, "-")+1
}

func group(name string) func(product) bool {
	return func(p product) bool { return p.Attributes.Group == name }
}

func usage(name string) func(product) bool {
	return func(p product) bool { return p.Attributes.usage(name) }
}

// dataAccess matches what EFS takes for a direction of elastic throughput, which some regions' files name in the usage type and
// others in the operation.
func dataAccess(direction string) func(product) bool {
	return func(p product) bool {
		a := p.Attributes
		return strings.Contains(a.UsageType, "ETDataAccess") && strings.Contains(strings.ToLower(a.UsageType+" "+a.Operation), direction)
	}
}

// onDemand matches the plain price of an instance type: Linux, shared hardware, no software, not a reservation.
func onDemand(instance string) func(product) bool {
	return func(p product) bool {
		a := p.Attributes
		return a.InstanceType == instance && a.System == "Linux" && a.Tenancy == "Shared" && a.Software == "NA" && a.Capacity == "Used"
	}
}

// products says by what each price is known, for each file. Groups and usage types are compared whole: many contain others.
var products = map[string][]wanted{
	"AWSLambda": {
		{id: LambdaX86, match: group("AWS-Lambda-Duration")},
		{id: LambdaArm, match: group("AWS-Lambda-Duration-ARM")},
		{id: LambdaDisk, match: group("AWS-Lambda-Storage-Duration"), optional: true},
		{id: LambdaRequests, match: group("AWS-Lambda-Requests")},
	},
	"AmazonStates": {
		{id: Transitions, match: usage("StateTransition")},
		{id: ExpressRequests, match: usage("StepFunctions-Request"), optional: true},
		{id: ExpressMemory, match: usage("StepFunctions-GB-Second"), optional: true},
	},
	"AmazonS3": {
		{id: S3Puts, match: usage("Requests-Tier1")},
		{id: S3Gets, match: usage("Requests-Tier2")},
		{id: S3Storage, match: usage("TimedStorage-ByteHrs")},
	},
	"AmazonDynamoDB": {
		{id: DynamoWrites, match: usage("WriteRequestUnits")},
		{id: DynamoReads, match: usage("ReadRequestUnits")},
	},
	"AmazonEFS": {
		{id: EFSRead, match: dataAccess("read"), optional: true},
		{id: EFSWritten, match: dataAccess("write"), optional: true},
		{id: EFSStorage, match: usage("TimedStorage-ByteHrs")},
	},
}

// wanted returns what the table wants of a file.
func (t Table) wanted(o Offer) []wanted {
	list := slices.Clone(products[o.Code])
	if o.Code != "AmazonEC2" {
		return list
	}
	for _, p := range t.Prices {
		if name, ok := strings.CutPrefix(string(p.ID), vcpuHour); ok {
			list = append(list, wanted{p.ID, onDemand(name + ".xlarge"), name != defaultX86 && name != defaultArm, true})
		}
		if name, ok := strings.CutPrefix(string(p.ID), instanceHour); ok {
			list = append(list, wanted{p.ID, onDemand(name), name != defaultGPU, false})
		}
	}
	return list
}

// Update reads a bulk price file and returns the table with the prices that it has, and the IDs of those that it lacks and that
// stay as they were. A file that is broken, is of another service, lacks what it must have, or has a price that cannot be true is
// an error: then the table is not to be used.
func (t Table) Update(o Offer, file io.Reader, today Date) (_ Table, kept []ID, _ error) {
	fail := func(err error) (Table, []ID, error) { return Table{}, nil, fmt.Errorf("prices of %s: %w", o.Code, err) }
	list := t.wanted(o)
	f, err := readOffer(file, list)
	if err != nil {
		return fail(err)
	}
	if f.code != o.Code || f.published.IsZero() {
		return fail(fmt.Errorf("the file is of %q, and was published at %q", f.code, f.published.Format(time.DateOnly)))
	}
	newer := t
	newer.Prices, newer.Date = slices.Clone(t.Prices), today
	source := fmt.Sprintf("AWS's price file %s, published on %s", o.Code, f.published.Format(time.DateOnly))
	for _, w := range list {
		i := slices.IndexFunc(newer.Prices, func(p Price) bool { return p.ID == w.id })
		usd, err := f.price(w, t.Region)
		switch {
		case err == nil && usd == nil && w.optional:
			kept = append(kept, w.id)
			continue
		case err == nil && usd == nil:
			err = fmt.Errorf("the file has no price for it in %s", t.Region)
		case err == nil:
			err = newer.Prices[i].set(usd, source, today)
		}
		if err != nil {
			return fail(fmt.Errorf("%s: %w", w.id, err))
		}
	}
	return newer, kept, newer.check()
}

// maxChange is by how much a price may change at once. One that changes by more is probably the price of another unit.
const maxChange = 10

// set changes a price to usd for one unit.
func (p *Price) set(usd *big.Rat, source string, today Date) error {
	usd = new(big.Rat).Mul(usd, new(big.Rat).SetInt64(p.Per))
	before, err := parseDecimal(p.USD)
	if err != nil {
		return err
	}
	if ratio := new(big.Rat).Quo(usd, before); ratio.Cmp(big.NewRat(maxChange, 1)) > 0 || ratio.Cmp(big.NewRat(1, maxChange)) < 0 {
		return fmt.Errorf("it changes from %s to %s USD, which is too much to be true", p.USD, decimal(usd))
	}
	p.USD, p.Source, p.Read, p.Sure = decimal(usd), source, today, High
	return p.check()
}

// price returns the dollars for one unit of the product that is wanted: of its first tier. It is nil where the file has none.
func (f offerFile) price(w wanted, region string) (*big.Rat, error) {
	var found *big.Rat
	for sku, p := range f.products {
		if !w.match(p) || p.Attributes.Location == "Any" || p.Attributes.Region != "" && p.Attributes.Region != region {
			continue
		}
		for _, one := range f.terms[sku] {
			usd, err := one.first()
			if err == nil && usd != nil && w.perVCPU {
				usd, err = divided(usd, p.Attributes.VCPU)
			}
			if err != nil {
				return nil, err
			}
			if usd == nil { // what is free, such as the requests of some operations
				continue
			}
			if found != nil && found.Cmp(usd) != 0 {
				return nil, fmt.Errorf("the file has two prices, %s and %s USD", decimal(found), decimal(usd))
			}
			found = usd
		}
	}
	return found, nil
}

// first returns the price of the first tier that costs anything; nil where there is none in dollars.
func (t term) first() (*big.Rat, error) {
	var price, begin *big.Rat
	for _, d := range t.Dimensions {
		text, ok := d.Price["USD"]
		if !ok {
			continue
		}
		usd, err := parseDecimal(text)
		if err != nil {
			return nil, err
		}
		from := new(big.Rat)
		if d.Begin != "" { // EC2's hours have no tiers
			if from, err = parseDecimal(d.Begin); err != nil {
				return nil, fmt.Errorf("beginning of a tier: %w", err)
			}
		}
		if usd.Sign() > 0 && (begin == nil || from.Cmp(begin) < 0) {
			price, begin = usd, from
		}
	}
	return price, nil
}

func divided(usd *big.Rat, vcpus string) (*big.Rat, error) {
	n, err := parseDecimal(vcpus)
	if err != nil || n.Sign() == 0 {
		return nil, fmt.Errorf("an instance of %q vCPUs", vcpus)
	}
	return usd.Quo(usd, n), nil
}

// decimal writes a rate that has as many digits as AWS's prices have, at most.
func decimal(r *big.Rat) string {
	const digits = 18
	return strings.TrimSuffix(strings.TrimRight(r.FloatString(digits), "0"), ".")
}
