package main

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/jsii-runtime-go"
)

// placement is what a stack is called, and where in an account it lies.
type placement struct {
	stackName string       // default "mapreel"; stacks of different names live side by side in a region
	tags      []tag        // on everything that can have tags, besides project=mapreel
	logDays   int          // after which lines of logs expire
	vpc       string       // an existing network; "": one is made where it is needed
	subnets   []string     // of vpc, one in each zone
	cidr      netip.Prefix // of the network that is made
}

// tag is a tag of resources, for the allocation of cost.
type tag struct{ key, value string }

// Names that AWS accepts (API references of CloudFormation, EC2 and Resource Groups Tagging).
var (
	stackNames  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,127}$`)
	vpcIDs      = regexp.MustCompile(`^vpc-[0-9a-f]{8,17}$`)
	subnetIDs   = regexp.MustCompile(`^subnet-[0-9a-f]{8,17}$`)
	tagKeys     = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/+\-@]{1,128}$`)
	tagContents = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}$`)
)

// maxTags is how many tags a deployment may choose. A resource has at most 50, of which the CDK and mapreel need a few.
const maxTags = 40

// defaultCIDR is the range of the network that is made: the largest that a VPC can have.
const defaultCIDR = "10.0.0.0/16"

// dockerCIDR is the range of the bridge that Docker makes on the instances of Batch. Addresses of the network in it cannot be
// reached from there (VPC User Guide, "VPC CIDR blocks").
var dockerCIDR = netip.MustParsePrefix("172.17.0.0/16")

// placement reads the settings. networked says whether the deployment needs a network at all.
func (p *parser) placement(networked bool) placement {
	s := placement{
		stackName: p.text("stackName"), tags: p.tags(), logDays: p.retention(),
		vpc: p.text("vpc"), subnets: split(p.text("subnets")), cidr: p.network(),
	}
	if s.stackName == "" {
		s.stackName = "mapreel"
	} else if !stackNames.MatchString(s.stackName) {
		p.bad("stackName=%s: give letters, digits and hyphens, a letter first, at most 128", s.stackName)
	}
	if s.vpc != "" && !vpcIDs.MatchString(s.vpc) {
		p.bad("vpc=%s: give the ID of a network, such as vpc-0a1b2c3d4e5f60718", s.vpc)
	}
	for i, subnet := range s.subnets {
		if !subnetIDs.MatchString(subnet) {
			p.bad("subnets: %q is not the ID of a subnet, such as subnet-0a1b2c3d4e5f60718", subnet)
		} else if slices.Contains(s.subnets[:i], subnet) {
			p.bad("subnets: %s is listed twice", subnet)
		}
	}
	existing := s.vpc != "" || len(s.subnets) > 0
	switch {
	case !networked && existing:
		p.bad("vpc=%s: this deployment needs no network; leave out vpc and subnets, or add batch=true or scratch=efs", s.vpc)
	case !networked && p.text("cidr") != "":
		p.bad("cidr=%s: this deployment needs no network; leave out cidr, or add batch=true or scratch=efs", p.text("cidr"))
	case existing && (s.vpc == "" || len(s.subnets) == 0):
		p.bad("vpc and subnets belong together: give both, with a subnet in each zone to use, or neither")
	case existing && p.text("cidr") != "":
		p.bad("cidr=%s: the network exists and has its range; leave out cidr or vpc", p.text("cidr"))
	case existing && p.text("batchNetwork") != "":
		p.bad("batchNetwork=%s: the subnets of vpc have their routes; leave out batchNetwork or vpc", p.text("batchNetwork"))
	}
	return s
}

// network reads the range of the network that is made.
func (p *parser) network() netip.Prefix {
	v := p.text("cidr")
	if v == "" {
		return netip.MustParsePrefix(defaultCIDR)
	}
	cidr, err := netip.ParsePrefix(v)
	switch {
	case err != nil || !cidr.Addr().Is4() || cidr.Bits() < 16 || cidr.Bits() > 24:
		p.bad("cidr=%s: give a range of IPv4 addresses from /16 to /24, such as %s", v, defaultCIDR)
	case cidr != cidr.Masked():
		p.bad("cidr=%s: the range begins at %s", v, cidr.Masked())
	case cidr.Overlaps(dockerCIDR):
		p.bad("cidr=%s: %s is Docker's own on the instances of Batch; choose another range", v, dockerCIDR)
	}
	return cidr
}

// masks returns the prefix lengths of the subnets in two zones: a quarter of the range for an isolated one, where each instance
// has an address and all functions together a few, and an eighth for a public one.
func (s placement) masks() (isolated, public float64) {
	return float64(s.cidr.Bits() + 2), float64(s.cidr.Bits() + 3)
}

// tags reads tags of the form key=value.
func (p *parser) tags() []tag {
	var list []tag
	for _, text := range split(p.text("tags")) {
		key, value, ok := strings.Cut(text, "=")
		t := tag{key, value}
		reserved := strings.HasPrefix(strings.ToLower(key), "aws:") || key == "project" || strings.HasPrefix(key, "mapreel:")
		switch {
		case !ok || !tagKeys.MatchString(key) || !tagContents.MatchString(value):
			p.bad("tags: %q is not a tag; give key=value, such as team=video", text)
		case reserved:
			p.bad("tags: %s is set already, by mapreel or AWS; choose another key", key)
		case slices.ContainsFunc(list, func(other tag) bool { return other.key == key }):
			p.bad("tags: %s is given twice", key)
		}
		list = append(list, t)
	}
	if len(list) > maxTags {
		p.bad("tags: %d tags; a resource can have %d more", len(list), maxTags)
	}
	return list
}

// retentions are the days after which CloudWatch can expire the lines of a log (PutRetentionPolicy).
var retentions = map[int]awslogs.RetentionDays{
	1: awslogs.RetentionDays_ONE_DAY, 3: awslogs.RetentionDays_THREE_DAYS, 5: awslogs.RetentionDays_FIVE_DAYS,
	7: awslogs.RetentionDays_ONE_WEEK, 14: awslogs.RetentionDays_TWO_WEEKS, 30: awslogs.RetentionDays_ONE_MONTH,
	60: awslogs.RetentionDays_TWO_MONTHS, 90: awslogs.RetentionDays_THREE_MONTHS, 120: awslogs.RetentionDays_FOUR_MONTHS,
	150: awslogs.RetentionDays_FIVE_MONTHS, 180: awslogs.RetentionDays_SIX_MONTHS, 365: awslogs.RetentionDays_ONE_YEAR,
	400: awslogs.RetentionDays_THIRTEEN_MONTHS, 545: awslogs.RetentionDays_EIGHTEEN_MONTHS, 731: awslogs.RetentionDays_TWO_YEARS,
	1096: awslogs.RetentionDays_THREE_YEARS, 1827: awslogs.RetentionDays_FIVE_YEARS, 3653: awslogs.RetentionDays_TEN_YEARS,
}

// defaultRetention is in days. An execution can be redriven for 14; its logs are of use a while longer.
const defaultRetention = 30

// retention reads the setting logRetention.
func (p *parser) retention() int {
	v := p.text("logRetention")
	if v == "" {
		return defaultRetention
	}
	days, err := strconv.Atoi(v)
	if _, ok := retentions[days]; err != nil || !ok {
		var choices []string
		for days := range retentions {
			choices = append(choices, fmt.Sprintf("%4d", days)) // in the order of numbers
		}
		slices.Sort(choices)
		p.bad("logRetention=%s: choose one of %s days", v, strings.Join(strings.Fields(strings.Join(choices, " ")), ", "))
	}
	return days
}

// logGroup makes a log group whose lines expire as the deployment says. name is nil where CloudFormation may choose it.
func (s placement) logGroup(stack awscdk.Stack, id string, name *string) awslogs.LogGroup {
	return awslogs.NewLogGroup(stack, jsii.String(id), &awslogs.LogGroupProps{
		LogGroupName: name, Retention: retentions[s.logDays], RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
	})
}
