package estimate

import (
	"slices"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/price"
)

// film is 100 segments that take 10 s of processors each, with a merge.
func film() Work {
	return Work{
		Threads: 2,
		Groups: []Group{
			{Name: "video", Noun: "segments", Units: 100, Encodes: true, CPU: Range{1_000_000, 1_000_000}, Longest: Range{10_000, 10_000}},
			{Name: "output/film", Noun: "outputs", Phase: 1, Units: 1, CPU: Range{1000, 1000}, Longest: Range{1000, 1000}, Joins: 100},
		},
	}
}

// places returns the places of a job.
func places(t *testing.T, w Work, d Deployment) []Place {
	t.Helper()
	list, err := Places(t.Context(), w, d, price.Default())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// place returns a place by its name.
func place(t *testing.T, list []Place, name string) Place {
	t.Helper()
	i := slices.IndexFunc(list, func(p Place) bool { return p.Name == name })
	if i < 0 {
		t.Fatalf("no place %s in %v", name, list)
	}
	return list[i]
}

func (p Place) service(name string) ServiceCost {
	for _, s := range p.Services {
		if s.Name == name {
			return s
		}
	}
	return ServiceCost{}
}

func TestAnEstimateIsWorkedOutByHand(t *testing.T) {
	list := places(t, film(), Deployment{Cores: 4, ScratchS3: true})
	// 1,000 s on four cores, then a merge with two threads; a start, and an eighth more at most.
	if got, want := place(t, list, "this machine"), (Range{250_000 + 500 + 500, 280_000 + 560 + 1500}); got.Wall != want || got.High.Total != 0 {
		t.Errorf("here it takes %v and costs %v, want %v and nothing", got.Wall, got.High.Total, want)
	}
	lambda := place(t, list, "Lambda")
	// At the high end 1,000 s ÷ 1.7 processors ÷ 60 % = 980.39 s, and a second for each start: 1,080.39 s × 3008 MiB = 3,173.6 GB-s,
	// and 10.5 GB-s of the small functions × 0.0000166667 = 0.0531; /tmp 1,080 s × 9.5 GB × 0.0000000309 = 0.0003.
	if got := lambda.service("Lambda").High; got < 53_000_000 || got > 53_800_000 {
		t.Errorf("functions cost %v", got)
	}
	// 101 units × 3 and the states around them, in 0.000025 each
	if got := lambda.service("Step Functions"); got.Low != got.High || got.High != 313*25_000 {
		t.Errorf("transitions cost %v", got)
	}
	// At the low end Analyse, a segment, a merge and Finish, each with a start; at the high end each is as slow as assumed, and the
	// slowest of a hundred segments takes twice as long or more.
	segment, merge := Range{10_000 * 1000 / 1700 * 100 / lambdaFast, 10_000 * 1000 / 1700 * 100 / lambdaSlow}, Range{1000 * 100 / lambdaFast, 1000 * 100 / lambdaSlow}
	low, high := examineLow+segment.Low+merge.Low+4*coldLow/2, examineHigh+2*segment.High+merge.High+4*coldHigh
	if lambda.Wall.Low < low || lambda.Wall.Low > low*3/2 || lambda.Wall.High < high*2/3 || lambda.Wall.High > high*3/2 {
		t.Errorf("on Lambda it takes %v, want %v to %v or somewhat more", lambda.Wall, low, high)
	}
	var sum price.Money
	for _, s := range lambda.Services {
		sum += s.High
	}
	if sum != lambda.High.Total || lambda.Low.Total > lambda.High.Total || lambda.service("EFS").High != 0 {
		t.Errorf("services add up to %v of %v", sum, lambda.High.Total)
	}
	batch := place(t, list, "Batch on Spot")
	// 1,000 s ÷ 3 processors ÷ 80 % × 4 vCPUs = 1666.7 vCPU-s of c7i at half the price
	if got := batch.service("EC2").High; got < 10_200_000 || got > 10_400_000 || batch.Wall.Low < instanceLow {
		t.Errorf("on Spot it costs %v and takes %v", got, batch.Wall)
	}
	// At the low end at 30 %, on processors that are 120 % as fast
	if got := batch.service("EC2").Low; got < 4_050_000 || got > 4_200_000 {
		t.Errorf("on Spot it costs at least %v", got)
	}
}

func TestUnitsThatExceedAFunctionsTimeGoToBatch(t *testing.T) {
	w := film()
	w.Groups[0].Longest = Range{1_000_000, 1_000_000}
	list := places(t, w, Deployment{Cores: 2})
	if p := place(t, list, "Lambda"); !strings.Contains(p.Refused, "segments may take 16m") {
		t.Errorf("Lambda is refused with %q", p.Refused)
	}
	if p := place(t, list, "Lambda and Batch"); p.Refused != "" || p.service("EC2").High == 0 {
		t.Errorf("Lambda and Batch: %q, %v", p.Refused, p.Services)
	}
	if p := place(t, places(t, film(), Deployment{}), "Lambda and Batch"); p.service("EC2").High != 0 {
		t.Errorf("short units cost %v on Batch", p.service("EC2"))
	}
}

func TestFewerWorkersTakeLongerAndCostTheSame(t *testing.T) {
	wide := place(t, places(t, film(), Deployment{}), "Lambda")
	narrow := place(t, places(t, film(), Deployment{Concurrency: 2}), "Lambda")
	if narrow.Wall.Low < 15*wide.Wall.Low || narrow.High.Total != wide.High.Total {
		t.Errorf("two at once take %v for %v, a thousand %v for %v", narrow.Wall, narrow.High.Total, wide.Wall, wide.High.Total)
	}
}

func TestArtifactsOnEFSAreReadAndWrittenOnce(t *testing.T) {
	w := film()
	w.Scratch = Range{1 << 30, 2 << 30}
	got := place(t, places(t, w, Deployment{}), "Lambda").service("EFS")
	if want := (ServiceCost{"EFS", 90_000_000, 180_000_000}); got != want { // 0.03 + 0.06 for each GB
		t.Errorf("EFS costs %v, want %v", got, want)
	}
}

func TestMoreMemoryIsFasterAndSizesThatTakeTooLongAreLeftOut(t *testing.T) {
	of := func(w Work, d Deployment) (sizes []int64, list []Memory) {
		list, err := Memories(t.Context(), w, d, price.Default())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			sizes = append(sizes, m.MiB)
		}
		return sizes, list
	}
	sizes, list := of(film(), Deployment{ScratchS3: true})
	if !slices.Equal(sizes, []int64{1769, 3008, 5307, 7076}) {
		t.Fatalf("sizes %v", sizes)
	}
	for i := 1; i < len(list); i++ {
		if list[i].Wall.High >= list[i-1].Wall.High {
			t.Errorf("%d MiB takes %v, and %d MiB %v", sizes[i], list[i].Wall, sizes[i-1], list[i-1].Wall)
		}
	}
	if own := place(t, places(t, film(), Deployment{ScratchS3: true}), "Lambda"); own.Wall != list[1].Wall || own.High.Total != list[1].High {
		t.Errorf("the default memory takes %+v, and the place %v and %v", list[1], own.Wall, own.High.Total)
	}
	slow := film() // 20 minutes on one processor
	slow.Groups[0].Longest = Range{700_000, 700_000}
	if sizes, _ := of(slow, Deployment{ScratchS3: true}); slices.Contains(sizes, 1769) || !slices.Contains(sizes, 7076) {
		t.Errorf("sizes %v", sizes)
	}
}
