package cloud

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
)

// vcpuQuota is a quota of running instances, in vCPUs.
type vcpuQuota struct {
	name, id string // Service Quotas, ec2
	gpu      bool
}

// largestJob is how many vCPUs the largest Batch job has (infra/classes.go). No job starts where a quota is smaller.
const largestJob = 4

var vcpuQuotas = []vcpuQuota{
	{"On-Demand vCPUs", "L-1216C47A", false},
	{"Spot vCPUs", "L-34B43A08", false},
	{"On-Demand GPU vCPUs", "L-DB2E81BA", true},
	{"Spot GPU vCPUs", "L-3819A6DF", true},
}

// quotas compares the quotas of instances with the size of a job. A queue whose quota is too small does not fail: its jobs
// wait until the machine gives up.
func (e *examiner) quotas(ctx context.Context) {
	if !e.Batch {
		return
	}
	values := map[string]float64{}
	for _, q := range vcpuQuotas {
		if q.gpu && !e.GPU {
			continue
		}
		out, err := e.servicequotas().GetServiceQuota(ctx, &servicequotas.GetServiceQuotaInput{
			ServiceCode: aws.String("ec2"), QuotaCode: aws.String(q.id),
		})
		if err != nil {
			e.unread(q.name, "servicequotas:GetServiceQuota", err)
			return
		}
		values[q.id] = aws.ToFloat64(out.Quota.Value)
	}
	for _, q := range vcpuQuotas {
		value, asked := values[q.id]
		if !asked {
			continue
		}
		text := fmt.Sprintf("%.0f", value)
		few := fmt.Sprintf("%s, too few for a job of %d vCPUs", text, largestJob)
		more := fmt.Sprintf("aws service-quotas request-service-quota-increase --service-code ec2 --quota-code %s --desired-value 256", q.id)
		switch {
		case value >= largestJob:
			e.ok(q.name, "%s: %.0f jobs of the largest size at once", text, float64(int(value/largestJob)))
		case otherQuota(values, q):
			e.warn(q.name, few, "jobs wait for the other kind of instances; ask for more: "+more)
		default:
			e.fail(q.name, few, "no Batch job can ever start: ask for more: "+more)
		}
	}
}

// otherQuota reports whether the other kind of instances, Spot or On-Demand, can run the jobs of q's queue.
func otherQuota(values map[string]float64, q vcpuQuota) bool {
	for _, other := range vcpuQuotas {
		if other.gpu == q.gpu && other.id != q.id && values[other.id] >= largestJob {
			return true
		}
	}
	return false
}
