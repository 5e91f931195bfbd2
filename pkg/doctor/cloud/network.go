package cloud

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/doctor"
)

// The parts of EC2's answers that say what a subnet reaches.
type (
	subnet struct {
		ID       string `xml:"subnetId"`
		VPC      string `xml:"vpcId"`
		Zone     string `xml:"availabilityZone"`
		PublicIP bool   `xml:"mapPublicIpOnLaunch"`
	}
	routeTable struct {
		ID           string `xml:"routeTableId"`
		Associations []struct {
			Subnet string `xml:"subnetId"`
			Main   bool   `xml:"main"`
		} `xml:"associationSet>item"`
		Routes []struct {
			To      string `xml:"destinationCidrBlock"`
			Gateway string `xml:"gatewayId"` // igw-…, vpce-… or local; "" for a NAT gateway, an instance, or another network
			State   string `xml:"state"`
		} `xml:"routeSet>item"`
	}
	endpoint struct {
		Service    string   `xml:"serviceName"` // com.amazonaws.REGION.SERVICE
		Type       string   `xml:"vpcEndpointType"`
		State      string   `xml:"state"`
		PrivateDNS bool     `xml:"privateDnsEnabled"`
		Tables     []string `xml:"routeTableIdSet>item"`
	}
)

// What functions and instances call. The rest of what a function needs reaches it by Lambda's own network.
var (
	calledByFunctions = []string{"s3", "dynamodb"}
	calledByInstances = []string{"ecs", "ecs-agent", "ecs-telemetry", "ecr.api", "ecr.dkr", "logs"}
)

// network looks at an existing network and the subnets that the deployment is given. A function or an instance that cannot reach
// what it calls waits until its time is over, and nothing says why.
func (e *examiner) network(ctx context.Context) {
	const name = "subnets"
	if len(e.Subnets) == 0 || !e.Files && !e.Batch {
		return
	}
	var subnets struct {
		List []subnet `xml:"subnetSet>item"`
	}
	chosen := url.Values{}
	for i, id := range e.Subnets {
		chosen.Set(fmt.Sprintf("SubnetId.%d", i+1), id)
	}
	if err := e.ec2(ctx, "DescribeSubnets", chosen, &subnets); isCode(err, "InvalidSubnetID.NotFound") {
		e.fail(name, brief(err), "give subnets of this account and region")
		return
	} else if err != nil {
		e.unread(name, "ec2:DescribeSubnets", err)
		return
	}
	inside := url.Values{"Filter.1.Name": {"vpc-id"}, "Filter.1.Value.1": {e.VPC}}
	var tables struct {
		List []routeTable `xml:"routeTableSet>item"`
	}
	if err := e.ec2(ctx, "DescribeRouteTables", inside, &tables); err != nil {
		e.unread(name, "ec2:DescribeRouteTables", err)
		return
	}
	var endpoints struct {
		List []endpoint `xml:"vpcEndpointSet>item"`
	}
	if err := e.ec2(ctx, "DescribeVpcEndpoints", inside, &endpoints); err != nil {
		e.unread(name, "ec2:DescribeVpcEndpoints", err)
		return
	}
	problems := e.subnetProblems(subnets.List, tables.List, endpoints.List)
	for _, p := range problems {
		e.add(name, p.level, p.text, p.hint)
	}
	if len(problems) == 0 {
		e.ok(name, "%s: what runs there reaches the services that it calls", strings.Join(e.Subnets, ", "))
	}
	if e.Files {
		e.names(ctx)
	}
}

// names looks whether names are resolved in the network, without which the file system cannot be mounted.
func (e *examiner) names(ctx context.Context) {
	for _, attribute := range []struct{ name, flag string }{
		{"enableDnsSupport", "enable-dns-support"}, {"enableDnsHostnames", "enable-dns-hostnames"},
	} {
		var out struct {
			Support   *bool `xml:"enableDnsSupport>value"`
			Hostnames *bool `xml:"enableDnsHostnames>value"`
		}
		if err := e.ec2(ctx, "DescribeVpcAttribute", url.Values{"VpcId": {e.VPC}, "Attribute": {attribute.name}}, &out); err != nil {
			e.unread("network", "ec2:DescribeVpcAttribute", err)
			return
		}
		if v := cmp.Or(out.Support, out.Hostnames); v != nil && !*v {
			e.fail("network", fmt.Sprintf("%s has %s switched off, and EFS is found by its name", e.VPC, attribute.name),
				fmt.Sprintf("aws ec2 modify-vpc-attribute --vpc-id %s --%s", e.VPC, attribute.flag))
		}
	}
}

type problem struct {
	level      doctor.Level
	text, hint string
}

// subnetProblems returns what is wrong with the subnets.
func (o Options) subnetProblems(subnets []subnet, tables []routeTable, endpoints []endpoint) (found []problem) {
	zones := map[string]string{}
	for _, s := range subnets {
		if s.VPC != o.VPC {
			found = append(found, problem{doctor.Failure, s.ID + " is in " + s.VPC + ", not in " + o.VPC, "give subnets of one network"})
			continue
		}
		if other := zones[s.Zone]; other != "" && o.Files {
			found = append(found, problem{
				doctor.Failure, fmt.Sprintf("%s and %s are both in the zone %s", other, s.ID, s.Zone),
				"EFS takes one subnet in a zone: leave one of them out",
			})
		}
		zones[s.Zone] = s.ID
		for _, w := range []struct {
			name   string
			there  bool
			called []string
			public bool
		}{
			{"functions in", o.Files, calledByFunctions, false}, // a function has no public address
			{"instances of Batch in", o.Batch, append(slices.Clone(calledByFunctions), calledByInstances...), s.PublicIP},
		} {
			if missing := unreached(s, w.called, w.public, tables, endpoints); w.there && len(missing) > 0 {
				found = append(found, problem{
					doctor.Failure, fmt.Sprintf("%s %s cannot reach %s", w.name, s.ID, strings.Join(missing, ", ")),
					"add a route to a NAT gateway, or endpoints of these services",
				})
			}
		}
	}
	return found
}

// unreached returns the services that a subnet neither has a route nor an endpoint to. public says whether what runs in it has a
// public address, with which an internet gateway is a way out.
func unreached(s subnet, services []string, public bool, tables []routeTable, endpoints []endpoint) (missing []string) {
	table := tableOf(s, tables)
	for _, r := range table.Routes {
		outside := r.To == "0.0.0.0/0" && r.State != "blackhole"
		if outside && (public || !strings.HasPrefix(r.Gateway, "igw-")) {
			return nil
		}
	}
	for _, service := range services {
		if !slices.ContainsFunc(endpoints, func(e endpoint) bool {
			return strings.HasSuffix(e.Service, "."+service) && strings.EqualFold(e.State, "available") &&
				(e.Type == "Interface" && e.PrivateDNS || slices.Contains(e.Tables, table.ID))
		}) {
			missing = append(missing, service)
		}
	}
	return missing
}

// tableOf returns the route table of a subnet: its own, or the network's main one.
func tableOf(s subnet, tables []routeTable) (main routeTable) {
	for _, t := range tables {
		for _, a := range t.Associations {
			if a.Subnet == s.ID {
				return t
			}
			if a.Main {
				main = t
			}
		}
	}
	return main
}
