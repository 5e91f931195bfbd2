package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/jsii-runtime-go"

	"github.com/mapreel/mapreel/pkg/blob/s3blob"
)

// accounts reads the accounts of existing buckets that do not belong to the account of the deployment.
func (p *parser) accounts(s settings) map[string]string {
	const name = "bucketAccounts"
	owners, err := s3blob.ParseOwners("", p.text(name))
	if err != nil {
		p.bad("%s: %v", name, err)
		return nil
	}
	for _, bucket := range slices.Sorted(maps.Keys(owners.Others)) {
		if !slices.Contains(s.sourceBuckets, bucket) && !slices.Contains(s.destinationBuckets, bucket) {
			p.bad("%s: %s is in neither sourceBuckets nor destinationBuckets", name, bucket)
		}
	}
	return owners.Others
}

// nameOwners adds to the environment of a worker the accounts that buckets must belong to. S3 refuses its requests to a bucket
// of that name in another account, and so does its role.
func nameOwners(environment map[string]*string, chosen settings, store storage) {
	environment[s3blob.AccountVariable] = store.account
	if others := otherAccounts(chosen); others != "" {
		environment[s3blob.OwnersVariable] = jsii.String(others)
	}
}

// otherAccounts returns the accounts of buckets that do not belong to that of the deployment, as s3blob.ParseOwners reads them.
func otherAccounts(chosen settings) string {
	var others []string
	for _, bucket := range slices.Sorted(maps.Keys(chosen.accounts)) {
		others = append(others, fmt.Sprint(bucket, ":", chosen.accounts[bucket]))
	}
	return strings.Join(others, ",")
}
