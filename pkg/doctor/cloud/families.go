package cloud

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// batchLists are the lists of Batch itself, which it fills with what a region has.
var batchLists = []string{"optimal", "default_x86_64", "default_arm64"}

// families looks whether the region offers the instance families of the queues. Batch refuses a whole compute environment, and
// so the deploy fails, for one that it does not.
func (e *examiner) families(ctx context.Context) {
	if !e.Batch {
		return
	}
	types, err := e.instanceTypes(ctx)
	e.offered("instance families", "instanceFamilies", e.Families, types, err)
	if e.GPU {
		e.offered("GPU families", "gpuInstanceFamilies", e.GPUFamilies, types, err)
	}
}

// instanceTypes returns the types that the region offers, about a thousand. It asks only where a list of Batch does not choose.
func (e *examiner) instanceTypes(ctx context.Context) (types []string, err error) {
	chosen := e.Families
	if e.GPU {
		chosen = slices.Concat(chosen, e.GPUFamilies)
	}
	if !slices.ContainsFunc(chosen, func(family string) bool { return !slices.Contains(batchLists, family) }) {
		return nil, nil
	}
	parameters := url.Values{"LocationType": {"region"}}
	for {
		var out struct {
			Types []string `xml:"instanceTypeOfferingSet>item>instanceType"`
			Next  string   `xml:"nextToken"`
		}
		if err := e.ec2(ctx, "DescribeInstanceTypeOfferings", parameters, &out); err != nil {
			return nil, err
		}
		types = append(types, out.Types...)
		if out.Next == "" {
			return types, nil
		}
		parameters.Set("NextToken", out.Next)
	}
}

// offered checks the families, types and lists of one setting.
func (e *examiner) offered(name, setting string, chosen, types []string, err error) {
	asked := slices.DeleteFunc(slices.Clone(chosen), func(family string) bool { return slices.Contains(batchLists, family) })
	if len(asked) == 0 {
		e.ok(name, "%s: Batch chooses from what the region has", strings.Join(chosen, ", "))
		return
	}
	if err != nil {
		e.unread(name, "ec2:DescribeInstanceTypeOfferings", err)
		return
	}
	missing := slices.DeleteFunc(asked, func(family string) bool {
		return slices.ContainsFunc(types, func(t string) bool { return t == family || strings.HasPrefix(t, family+".") })
	})
	if len(missing) > 0 {
		hint := "the deploy would fail: leave them out of " + setting
		if setting == "instanceFamilies" {
			hint += ", or set it to default_x86_64 or default_arm64"
		}
		e.fail(name, fmt.Sprintf("%s does not offer %s", e.region, strings.Join(missing, ", ")), hint)
		return
	}
	e.ok(name, "%s", strings.Join(chosen, ", "))
}
