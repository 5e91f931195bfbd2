package price

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// offerText returns a bulk price file of the form of AWS's, with products of "attributes | unit price, tier by tier".
func offerText(code string, products ...[2]string) string {
	var items, terms []string
	for i, p := range products {
		sku := fmt.Sprintf("SKU%04d", i)
		items = append(items, fmt.Sprintf(`%q: {"sku": %[1]q, "productFamily": "Serverless", "attributes": {%s}}`, sku, p[0]))
		var tiers []string
		for n, usd := range strings.Fields(p[1]) {
			tiers = append(tiers, fmt.Sprintf(`"%s.JRT.%d": {"rateCode": "x", "description": "d", "beginRange": "%d", "endRange": "Inf", "unit": "u",
				"pricePerUnit": {"USD": %q}, "appliesTo": []}`, sku, n, n*6_000_000_000, usd))
		}
		terms = append(terms, fmt.Sprintf(`%q: {"%[1]s.JRTCKXETXF": {"offerTermCode": "JRTCKXETXF", "sku": %[1]q, "effectiveDate": "2026-09-01T00:00:00Z",
			"priceDimensions": {%s}, "termAttributes": {}}}`, sku, strings.Join(tiers, ",")))
	}
	return fmt.Sprintf(`{"formatVersion": "v1.0", "disclaimer": "d", "offerCode": %q, "version": "20261001000000",
		"publicationDate": "2026-10-01T00:00:00Z", "products": {%s}, "terms": {"OnDemand": {%s}, "Reserved": {"x": {"y": [1, {}]}}}, "attributesList": {}}`,
		code, strings.Join(items, ","), strings.Join(terms, ","))
}

func attribute(pairs ...string) string {
	var list []string
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, fmt.Sprintf("%q: %q", pairs[i], pairs[i+1]))
	}
	return strings.Join(list, ",")
}

func lambdaOffer() [][2]string {
	here := []string{"regionCode", "us-east-1", "location", "US East (N. Virginia)"}
	of := func(pairs ...string) string { return attribute(append(pairs, here...)...) }
	return [][2]string{
		{of("group", "AWS-Lambda-Duration", "usagetype", "Lambda-GB-Second"), "0.0000200000 0.0000150000 0.0000133334"},
		{of("group", "AWS-Lambda-Duration-ARM", "usagetype", "Lambda-GB-Second-ARM"), "0.0000140000"},
		{of("group", "AWS-Lambda-Storage-Duration", "usagetype", "Lambda-Storage-GB-Second"), "0.0000000309"},
		{of("group", "AWS-Lambda-Requests", "usagetype", "Request"), "0.0000003000"},
		{attribute("group", "AWS-Lambda-Requests", "location", "Any", "usagetype", "Global-Request"), "0.0000000000"},
		{of("group", "AWS-Lambda-Edge-Requests", "usagetype", "Lambda-Edge-Request"), "0.0000006000"},
		{attribute("group", "AWS-Lambda-Requests", "regionCode", "eu-west-1"), "0.0000009000"},
	}
}

const today = "2026-10-02"

func TestAPriceFileRenewsTheTable(t *testing.T) {
	old := Default()
	got, kept, err := old.Update(Offer{Code: "AWSLambda"}, strings.NewReader(offerText("AWSLambda", lambdaOffer()...)), today)
	if err != nil || len(kept) > 0 {
		t.Fatal(err, kept)
	}
	for id, want := range map[ID]string{LambdaX86: "0.00002", LambdaArm: "0.000014", LambdaDisk: "0.0000000309", LambdaRequests: "0.3"} {
		p, _ := got.find(id)
		if p.USD != want || p.Sure != High || p.Read != today || p.Source != "AWS's price file AWSLambda, published on 2026-10-01" {
			t.Errorf("%s: %+v, want %s USD", id, p, want)
		}
	}
	if p, _ := old.find(LambdaX86); p.USD != "0.0000166667" || got.Date != today {
		t.Errorf("the old table has changed to %+v, or the new one is of %s", p, got.Date)
	}
}

func TestEachServiceIsFoundByItsOwnNames(t *testing.T) {
	instance := func(name, vcpu, tenancy, capacity string) string {
		return attribute("instanceType", name, "vcpu", vcpu, "operatingSystem", "Linux", "tenancy", tenancy, "preInstalledSw", "NA", "capacitystatus", capacity)
	}
	for code, test := range map[string]struct {
		products [][2]string
		want     map[ID]string
		kept     int
	}{
		"AmazonStates": {[][2]string{
			{attribute("usagetype", "USE1-StateTransition"), "0.0000260000"},
			{attribute("usagetype", "USE1-StepFunctions-Request"), "0.0000010000"},
		}, map[ID]string{Transitions: "0.026", ExpressRequests: "1"}, 1},
		"AmazonS3": {[][2]string{
			{attribute("usagetype", "Requests-Tier1"), "0.0000060000"},
			{attribute("usagetype", "Requests-GLACIER-Tier1"), "0.0000300000"},
			{attribute("usagetype", "Requests-Tier2"), "0.0000005000"},
			{attribute("usagetype", "TimedStorage-ByteHrs"), "0.024 0.022 0.021"},
			{attribute("usagetype", "TimedStorage-SIA-ByteHrs"), "0.0125"},
		}, map[ID]string{S3Puts: "0.006", S3Gets: "0.0005", S3Storage: "0.024"}, 0},
		"AmazonDynamoDB": {[][2]string{
			{attribute("usagetype", "WriteRequestUnits"), "0.0000007000"},
			{attribute("usagetype", "ReplWriteRequestUnits"), "0.0000019000"},
			{attribute("usagetype", "ReadRequestUnits"), "0.0000001500"},
		}, map[ID]string{DynamoWrites: "0.7", DynamoReads: "0.15"}, 0},
		"AmazonEFS": {[][2]string{
			{attribute("usagetype", "ETDataAccess-Bytes", "operation", "Read"), "0.04"},
			{attribute("usagetype", "ETDataAccess-Bytes", "operation", "Write"), "0.07"},
			{attribute("usagetype", "TimedStorage-ByteHrs"), "0.31"},
		}, map[ID]string{EFSRead: "0.04", EFSWritten: "0.07", EFSStorage: "0.31"}, 0},
		"AmazonEC2": {[][2]string{
			{instance("c7i.xlarge", "4", "Shared", "Used"), "0.2000"},
			{instance("c7i.xlarge", "4", "Dedicated", "Used"), "0.2500"},
			{instance("c7i.xlarge", "4", "Shared", "AllocatedCapacityReservation"), "0.0000"},
			{instance("c7g.xlarge", "4", "Shared", "Used"), "0.1600"},
			{instance("g4dn.xlarge", "4", "Shared", "Used"), "0.5300"},
		}, map[ID]string{"ec2.vcpu-hour.c7i": "0.05", "ec2.vcpu-hour.c7g": "0.04", "ec2.hour.g4dn.xlarge": "0.53"}, 9},
	} {
		got, kept, err := Default().Update(Offer{Code: code}, strings.NewReader(offerText(code, test.products...)), today)
		if err != nil || len(kept) != test.kept {
			t.Errorf("%s: %v; keeps %v, want %d of them", code, err, kept, test.kept)
			continue
		}
		for id, want := range test.want {
			if p, _ := got.find(id); p.USD != want {
				t.Errorf("%s costs %s, want %s", id, p.USD, want)
			}
		}
	}
}

func TestABrokenPriceFileIsRefused(t *testing.T) {
	whole := offerText("AWSLambda", lambdaOffer()...)
	without := offerText("AWSLambda", lambdaOffer()[1:]...)
	for name, text := range map[string]string{
		"empty":               "",
		"cut off":             whole[:len(whole)/2],
		"one byte short":      whole[:len(whole)-1],
		"longer than it is":   whole + "{}",
		"a page of HTML":      "<html>",
		"of another service":  strings.ReplaceAll(whole, `"AWSLambda"`, `"AmazonS3"`),
		"without a date":      strings.ReplaceAll(whole, "2026-10-01T00:00:00Z", "0001-01-01T00:00:00Z"),
		"without x86":         without,
		"free of charge":      strings.ReplaceAll(whole, "0.0000003000", "0.0000000000"),
		"of another unit":     strings.ReplaceAll(whole, "0.0000200000", "20"),
		"negative":            strings.ReplaceAll(whole, "0.0000200000", "-1"),
		"without numbers":     strings.ReplaceAll(whole, "0.0000200000", "much"),
		"enormous":            strings.ReplaceAll(whole, "0.0000200000", "1e999999999"),
		"with two prices":     strings.ReplaceAll(whole, `"AWS-Lambda-Edge-Requests"`, `"AWS-Lambda-Requests"`),
		"a list of products":  strings.ReplaceAll(whole, `"products": {`, `"products": [], "other": {`),
		"terms of other SKUs": strings.ReplaceAll(whole, `"terms": {"OnDemand": {"SKU`, `"terms": {"OnDemand": {"OTHER`),
	} {
		began := time.Now()
		if table, _, err := Default().Update(Offer{Code: "AWSLambda"}, strings.NewReader(text), today); err == nil || len(table.Prices) > 0 {
			t.Errorf("a file that is %s gives %d prices, %v", name, len(table.Prices), err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("a file that is %s takes %v", name, took)
		}
	}
}
