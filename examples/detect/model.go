package main

import (
	"fmt"
	"image"
	"math"
	"os"
	"slices"
	"strconv"

	ort "github.com/yalue/onnxruntime_go"
	"golang.org/x/image/draw"
)

// The model: CenterNet. Each cell of a grid has the probability of each class, and the distances of the box's sides from it.
const (
	imageInput      = "tower_0/images"
	keypointsOutput = "tower_0/keypoints"
	sizesOutput     = "tower_0/wh"
	inputSize       = 512
	gridSize        = 128
	classes         = 80
	cell            = inputSize / gridSize
)

// detector finds objects in pictures.
type detector struct {
	session         *ort.AdvancedSession
	in, points, wh  *ort.Tensor[float32]
	scaled          *image.RGBA
	lowest, overlap float64
}

// newDetector loads a model. With the provider "auto", the CPU is used where CUDA is not to be had.
func newDetector(model, runtime, provider string, threads int) (*detector, error) {
	ort.SetSharedLibraryPath(runtime)
	if err := ort.InitializeEnvironment(); err != nil {
		return nil, fmt.Errorf("load ONNX Runtime from %s: %w", runtime, err)
	}
	options, err := ort.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	defer options.Destroy() //nolint:errcheck // it only frees memory
	if err := options.SetIntraOpNumThreads(threads); err != nil {
		return nil, err
	}
	if provider != "cpu" {
		switch err := useCUDA(options); {
		case err != nil && provider == "cuda":
			return nil, fmt.Errorf("use CUDA: %w", err)
		case err != nil:
			fmt.Fprintln(os.Stderr, "without CUDA:", err)
		}
	}
	d := &detector{scaled: image.NewRGBA(image.Rect(0, 0, inputSize, inputSize)), lowest: 0.15, overlap: 0.4}
	if d.in, err = ort.NewEmptyTensor[float32](ort.NewShape(1, 3, inputSize, inputSize)); err != nil {
		return nil, err
	}
	if d.points, err = ort.NewEmptyTensor[float32](ort.NewShape(1, classes, gridSize, gridSize)); err != nil {
		return nil, err
	}
	if d.wh, err = ort.NewEmptyTensor[float32](ort.NewShape(1, 4, gridSize, gridSize)); err != nil {
		return nil, err
	}
	d.session, err = ort.NewAdvancedSession(model, []string{imageInput}, []string{keypointsOutput, sizesOutput}, []ort.Value{d.in}, []ort.Value{d.points, d.wh}, options)
	if err != nil {
		return nil, fmt.Errorf("load the model %s: %w", model, err)
	}
	return d, nil
}

func useCUDA(options *ort.SessionOptions) error {
	cuda, err := ort.NewCUDAProviderOptions()
	if err != nil {
		return err
	}
	defer cuda.Destroy() //nolint:errcheck // it only frees memory
	if err := cuda.Update(map[string]string{"device_id": strconv.Itoa(0)}); err != nil {
		return err
	}
	return options.AppendExecutionProviderCUDA(cuda)
}

// detect returns the objects in a picture, the most probable first.
func (d *detector) detect(picture image.Image) ([]object, error) {
	draw.BiLinear.Scale(d.scaled, d.scaled.Bounds(), picture, picture.Bounds(), draw.Src, nil)
	in := d.in.GetData()
	const plane = inputSize * inputSize
	for i := range plane {
		for c := range 3 {
			in[c*plane+i] = float32(d.scaled.Pix[4*i+c])
		}
	}
	if err := d.session.Run(); err != nil {
		return nil, err
	}
	size := picture.Bounds().Size()
	return d.objects(float64(size.X)/inputSize, float64(size.Y)/inputSize), nil
}

// objects reads the last result. A cell is the middle of an object where no neighbour is more probable.
func (d *detector) objects(x, y float64) []object {
	const plane = gridSize * gridSize
	points, wh := d.points.GetData(), d.wh.GetData()
	var list []object
	for i, p := range points {
		if float64(p) < d.lowest {
			continue
		}
		class, row, column := i/plane, i%plane/gridSize, i%gridSize
		peak := true
		for r := max(row-1, 0); r <= min(row+1, gridSize-1); r++ {
			for c := max(column-1, 0); c <= min(column+1, gridSize-1); c++ {
				peak = peak && points[class*plane+r*gridSize+c] <= p
			}
		}
		if !peak {
			continue
		}
		at := row*gridSize + column
		side := func(n int) float64 { return float64(wh[n*plane+at]) }
		limit := func(v float64) float64 { return math.Min(math.Max(v, 0), inputSize) }
		list = append(list, object{
			Label: labels[class], Score: float64(p),
			Box: box{
				limit(float64(cell*column)-side(0)) * x, limit(float64(cell*row)-side(1)) * y,
				limit(float64(cell*column)+side(2)) * x, limit(float64(cell*row)+side(3)) * y,
			},
		})
	}
	slices.SortStableFunc(list, func(a, b object) int {
		switch {
		case a.Score > b.Score:
			return -1
		case a.Score < b.Score:
			return 1
		}
		return 0
	})
	return distinct(list, d.overlap)
}
