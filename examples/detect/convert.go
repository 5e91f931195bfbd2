package main

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// convert writes a graph of TensorFlow.js as an ONNX model, up to the outputs that detect reads. It knows the operations of CenterNet with
// MobileNetV3. Images become channels first.
func convert(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	var m graphModel
	if err := json.Unmarshal(data, &m); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	c := converter{nodes: map[string]graphNode{}, weights: map[string]weight{}, done: map[string]bool{}}
	for _, n := range m.Topology.Nodes {
		c.nodes[n.Name] = n
	}
	for _, group := range m.Manifest {
		if err := c.readWeights(filepath.Dir(from), group); err != nil {
			return err
		}
	}
	for _, name := range []string{keypointsOutput, sizesOutput} {
		if err := c.emit(name); err != nil {
			return err
		}
	}
	var graph message
	for _, n := range c.out {
		graph.bytes(1, n)
	}
	graph.text(2, "detect")
	for _, n := range c.initial {
		graph.bytes(5, n)
	}
	graph.bytes(11, valueInfo(imageInput, 1, 3, inputSize, inputSize))
	graph.bytes(12, valueInfo(keypointsOutput, 1, classes, gridSize, gridSize))
	graph.bytes(12, valueInfo(sizesOutput, 1, 4, gridSize, gridSize))
	var opset, model message
	opset.text(1, "")
	opset.varint(2, 13)
	model.varint(1, 8)
	model.text(2, "mapreel detect")
	model.bytes(7, graph)
	model.bytes(8, opset)
	return os.WriteFile(to, model, 0o644) //nolint:gosec // a model is no secret
}

type graphModel struct {
	Topology struct {
		Nodes []graphNode `json:"node"`
	} `json:"modelTopology"`
	Manifest []manifest `json:"weightsManifest"`
}

type graphNode struct {
	Name  string               `json:"name"`
	Op    string               `json:"op"`
	Input []string             `json:"input"`
	Attr  map[string]attribute `json:"attr"`
}

type attribute struct {
	S    string `json:"s"`
	List struct {
		S []string `json:"s"`
		I []string `json:"i"`
	} `json:"list"`
}

type manifest struct {
	Paths   []string `json:"paths"`
	Weights []struct {
		Name  string `json:"name"`
		Shape []int  `json:"shape"`
		Type  string `json:"dtype"`
		Quant *struct {
			Type string `json:"dtype"`
		} `json:"quantization"`
	} `json:"weights"`
}

// weight is a constant of the graph.
type weight struct {
	shape  []int
	values []float32
}

type converter struct {
	nodes   map[string]graphNode
	weights map[string]weight
	done    map[string]bool
	out     []message // nodes, in an order in which each follows those that it needs
	initial []message
}

func (c *converter) readWeights(dir string, group manifest) error {
	var data []byte
	for _, path := range group.Paths {
		part, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			return err
		}
		data = append(data, part...)
	}
	for _, w := range group.Weights {
		count := 1
		for _, n := range w.Shape {
			count *= n
		}
		half := w.Quant != nil && w.Quant.Type == "float16"
		if w.Quant != nil && !half {
			return fmt.Errorf("weights %s have the unknown type %s", w.Name, w.Quant.Type)
		}
		size := 4 * count
		if half {
			size = 2 * count
		}
		if size > len(data) {
			return fmt.Errorf("weights %s are missing", w.Name)
		}
		values := make([]float32, count)
		for i := range values {
			switch {
			case half:
				values[i] = fromHalf(binary.LittleEndian.Uint16(data[2*i:]))
			case w.Type == "int32":
				values[i] = float32(int32(binary.LittleEndian.Uint32(data[4*i:]))) //nolint:gosec // two's complement
			default:
				values[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
			}
		}
		c.weights[w.Name], data = weight{w.Shape, values}, data[size:]
	}
	return nil
}

// fromHalf converts a number of 16 bits.
func fromHalf(h uint16) float32 {
	sign, exponent, fraction := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h)&1023
	switch exponent {
	case 0:
		v := float32(fraction) / (1 << 24)
		return math.Float32frombits(math.Float32bits(v) | sign)
	case 31:
		return math.Float32frombits(sign | 255<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}

// emit adds the node of a name, after those that it needs.
func (c *converter) emit(name string) error {
	if c.done[name] {
		return nil
	}
	c.done[name] = true
	n, ok := c.nodes[name]
	if !ok {
		return fmt.Errorf("the graph has no node %q", name)
	}
	if n.Op == "Placeholder" {
		return nil
	}
	if n.Op == "Const" {
		w := c.weights[name]
		shape := w.shape
		if len(shape) == 1 { // of the channels
			shape = []int{1, shape[0], 1, 1}
		} else if len(shape) == 4 {
			shape, w.values = transpose(w, 0, 3, 1, 2)
		}
		c.constant(name, shape, w.values)
		return nil
	}
	inputs := n.Input
	switch n.Op {
	case "_FusedConv2D", "Conv2D", "FusedDepthwiseConv2dNative", "DepthwiseConv2dNative", "Mean", "ConcatV2", "ResizeBilinear":
		inputs = slices.DeleteFunc(slices.Clone(inputs), func(in string) bool { return c.nodes[in].Op == "Const" }) // these become attributes
	}
	for _, in := range inputs {
		if err := c.emit(in); err != nil {
			return err
		}
	}
	switch n.Op {
	case "_FusedConv2D", "Conv2D", "FusedDepthwiseConv2dNative", "DepthwiseConv2dNative":
		return c.convolution(n)
	case "Mul", "Add", "Sub", "Relu", "Sigmoid", "Identity":
		c.node(n.Op, inputs, name)
	case "Relu6":
		c.clip(inputs[0], name)
	case "Mean":
		c.node("ReduceMean", inputs, name, ints("axes", 2, 3), integer("keepdims", 1))
	case "ConcatV2":
		c.node("Concat", inputs, name, integer("axis", 1))
	case "ResizeBilinear":
		c.constant(name+"/scales", []int{4}, []float32{1, 1, 2, 2})
		c.node("Resize", []string{inputs[0], "", name + "/scales"}, name, text("mode", "linear"), text("coordinate_transformation_mode", "asymmetric"))
	default:
		return fmt.Errorf("the operation %s of %s is unknown", n.Op, name)
	}
	return nil
}

// convolution adds a convolution, with what is fused into it.
func (c *converter) convolution(n graphNode) error {
	filter, ok := c.weights[n.Input[1]]
	if !ok || len(filter.shape) != 4 {
		return fmt.Errorf("%s has no filter", n.Name)
	}
	shape, values := transpose(filter, 3, 2, 0, 1)
	groups := 1
	if n.Op == "FusedDepthwiseConv2dNative" || n.Op == "DepthwiseConv2dNative" {
		shape, values = transpose(filter, 2, 3, 0, 1)
		groups = shape[0]
		shape = []int{shape[0] * shape[1], 1, shape[2], shape[3]}
	}
	c.constant(n.Name+"/filter", shape, values)
	inputs, output := []string{n.Input[0], n.Name + "/filter"}, n.Name
	fused := n.Attr["fused_ops"].List.S
	var after string
	for i, name := range fused {
		op, err := base64.StdEncoding.DecodeString(name)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", n.Name, err)
		case string(op) == "BiasAdd" && i == 0:
			bias := c.weights[n.Input[2]]
			c.constant(n.Name+"/bias", []int{len(bias.values)}, bias.values)
			inputs = append(inputs, n.Name+"/bias")
		case string(op) == "Relu" || string(op) == "Relu6":
			after, output = string(op), n.Name+"/before"
		default:
			return fmt.Errorf("%s: the fused operation %s is unknown", n.Name, op)
		}
	}
	strides, dilations := n.Attr["strides"].List.I, n.Attr["dilations"].List.I
	if len(dilations) == 0 {
		dilations = []string{"1", "1", "1", "1"}
	}
	padding, err := base64.StdEncoding.DecodeString(n.Attr["padding"].S)
	if err != nil || len(strides) != 4 || len(dilations) != 4 {
		return fmt.Errorf("%s has no padding or strides", n.Name)
	}
	pad := "VALID"
	if string(padding) == "SAME" {
		pad = "SAME_UPPER"
	}
	number := func(s string) int { v, _ := strconv.Atoi(s); return v }
	c.node("Conv", inputs, output, text("auto_pad", pad), integer("group", groups), ints("strides", number(strides[1]), number(strides[2])),
		ints("dilations", number(dilations[1]), number(dilations[2])))
	switch after {
	case "Relu":
		c.node("Relu", []string{output}, n.Name)
	case "Relu6":
		c.clip(output, n.Name)
	}
	return nil
}

func (c *converter) clip(input, name string) {
	c.constant(name+"/min", nil, []float32{0})
	c.constant(name+"/max", nil, []float32{6})
	c.node("Clip", []string{input, name + "/min", name + "/max"}, name)
}

// transpose returns the dimensions of a weight in another order.
func transpose(w weight, order ...int) (shape []int, values []float32) {
	strides := make([]int, len(w.shape))
	for i, step := len(w.shape)-1, 1; i >= 0; i-- {
		strides[i] = step
		step *= w.shape[i]
	}
	for _, d := range order {
		shape = append(shape, w.shape[d])
	}
	values = make([]float32, 0, len(w.values))
	at := make([]int, len(shape))
	for range w.values {
		from := 0
		for i, d := range order {
			from += at[i] * strides[d]
		}
		values = append(values, w.values[from])
		for i := len(at) - 1; i >= 0; i-- {
			if at[i]++; at[i] < shape[i] {
				break
			}
			at[i] = 0
		}
	}
	return shape, values
}

func (c *converter) node(op string, inputs []string, output string, attributes ...message) {
	var n message
	for _, in := range inputs {
		n.text(1, in)
	}
	n.text(2, output)
	n.text(3, output)
	n.text(4, op)
	for _, a := range attributes {
		n.bytes(5, a)
	}
	c.out = append(c.out, n)
}

// constant adds an initial value of the graph.
func (c *converter) constant(name string, shape []int, values []float32) {
	var t message
	for _, d := range shape {
		t.varint(1, uint64(d)) //nolint:gosec // not negative
	}
	t.varint(2, 1)
	t.text(8, name)
	raw := make([]byte, 0, 4*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	t.bytes(9, raw)
	c.initial = append(c.initial, t)
}

func valueInfo(name string, dims ...int) message {
	var shape, tensor, kind, v message
	for _, d := range dims {
		var dim message
		dim.varint(1, uint64(d)) //nolint:gosec // not negative
		shape.bytes(1, dim)
	}
	tensor.varint(1, 1)
	tensor.bytes(2, shape)
	kind.bytes(1, tensor)
	v.text(1, name)
	v.bytes(2, kind)
	return v
}

// Types of attributes in ONNX.
const typeInt, typeString, typeInts = 2, 3, 7

func integer(name string, v int) (a message) {
	a.text(1, name)
	a.varint(3, uint64(v)) //nolint:gosec // not negative
	a.varint(20, typeInt)
	return a
}

func text(name, v string) (a message) {
	a.text(1, name)
	a.text(4, v)
	a.varint(20, typeString)
	return a
}

func ints(name string, list ...int) (a message) {
	a.text(1, name)
	for _, v := range list {
		a.varint(8, uint64(v)) //nolint:gosec // not negative
	}
	a.varint(20, typeInts)
	return a
}

// message is one of Protocol Buffers.
type message []byte

func (m *message) varint(field int, v uint64) {
	*m = binary.AppendUvarint(binary.AppendUvarint(*m, uint64(field)<<3), v) //nolint:gosec // not negative
}

func (m *message) bytes(field int, data []byte) {
	*m = binary.AppendUvarint(binary.AppendUvarint(*m, uint64(field)<<3|2), uint64(len(data))) //nolint:gosec // not negative
	*m = append(*m, data...)
}

func (m *message) text(field int, s string) { m.bytes(field, []byte(s)) }
