package s3blob

import (
	"fmt"
	"regexp"
	"strings"
)

// Variables of the environment that infra passes to a worker, for ParseOwners.
const (
	AccountVariable = "MAPREEL_ACCOUNT"         // of the deployment
	OwnersVariable  = "MAPREEL_BUCKET_ACCOUNTS" // of buckets that belong to other accounts
)

// Owners says to which AWS account each bucket must belong.
type Owners struct {
	Account string            // of all buckets that are not in Others; "" is any
	Others  map[string]string // by bucket
}

var accountID = regexp.MustCompile(`^[0-9]{12}$`)

// ParseOwners returns the owners of the buckets of a deployment: account, but for those that others
// names, as "bucket:account" with commas between. Where account is "", a bucket may be anybody's.
func ParseOwners(account, others string) (Owners, error) {
	o := Owners{Account: account}
	if account != "" && !accountID.MatchString(account) {
		return Owners{}, fmt.Errorf("%q is not the ID of an AWS account, which has 12 digits", account)
	}
	if others == "" {
		return o, nil
	}
	o.Others = map[string]string{}
	for pair := range strings.SplitSeq(others, ",") {
		bucket, owner, _ := strings.Cut(strings.TrimSpace(pair), ":")
		switch _, twice := o.Others[bucket]; {
		case bucket == "" || !accountID.MatchString(owner):
			return Owners{}, fmt.Errorf("%q is not a bucket and the ID of its AWS account, such as films:123456789012", pair)
		case twice:
			return Owners{}, fmt.Errorf("%s is listed twice", bucket)
		}
		o.Others[bucket] = owner
	}
	return o, nil
}

// Of returns the account that a bucket must belong to; "" is any.
func (o Owners) Of(bucket string) string {
	if owner, ok := o.Others[bucket]; ok {
		return owner
	}
	return o.Account
}
