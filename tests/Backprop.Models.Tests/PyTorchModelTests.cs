using Backprop.Data.Tensors;
using Backprop.Engine;
using Backprop.Engine.Networks;
using Backprop.Training.Interchange;
using Backprop.Training.Specification;

namespace Backprop.Models.Tests;

/// <summary>Models that PyTorch saved: tools/fixtures/interchange.py.</summary>
public sealed class PyTorchModelTests
{
    public static TheoryData<string> Fixtures =>
        ["images", "skipping", "signals", "tokens", "modern", "tied"];

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void A_network_with_PyTorchs_weights_computes_what_PyTorch_does(string name)
    {
        Case expected = ModelFixture.CaseOf<Case>(name);
        using ITensorFile file = ModelFixture.TensorsOf(name);
        using var weights = Imported(expected, file, out Network network);
        float[] x = [.. expected.X.SelectMany(row => row).Select(value => (float)value)];
        double[] y = [.. expected.Y.SelectMany(row => row)];
        float[] computed = TrialModel.Outputs(network, weights, x);
        double largest = y.Max(Math.Abs);
        for (int i = 0; i < y.Length; i++)
        {
            Assert.True(
                Math.Abs(y[i] - computed[i]) <= 4e-6 * Math.Max(1, largest),
                $"{name}[{i}]: {computed[i]:R} where PyTorch has {y[i]:R}");
        }
    }

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void An_exported_model_has_PyTorchs_tensors_bit_for_bit(string name)
    {
        Case expected = ModelFixture.CaseOf<Case>(name);
        using ITensorFile file = ModelFixture.TensorsOf(name);
        using var weights = Imported(expected, file, out Network network);
        NamedTensors exported = Export(network, weights);
        Assert.Equal(file.Names.Order(), exported.Keys.Order());
        foreach (string tensor in file.Names)
        {
            TensorEntry entry = file.Find(tensor)!;
            var original = new float[entry.Bytes / sizeof(float)];
            file.Read(tensor, original);
            (int[] shape, float[] values) = exported[tensor];
            Assert.Equal(entry.Shape, shape.Select(d => (long)d));

            // An LSTM's two biases are one here, their sum, and written as such.
            if (tensor == "long.bias_ih_l0")
            {
                var second = new float[original.Length];
                file.Read("long.bias_hh_l0", second);
                original = [.. original.Zip(second, (a, b) => a + b)];
            }
            else if (tensor == "long.bias_hh_l0")
            {
                Array.Clear(original);
            }

            Assert.Equal(original, values);
        }
    }

    private static NamedTensors Export(Network network, AlignedBuffer weights)
    {
        var tensors = new NamedTensors();
        foreach (StridedTensor tensor in PyTorchLayout.Of(network))
        {
            network.Layout.TryFind(tensor.Parameter, out ParameterView? view);
            var values = new float[tensor.Count];
            tensor.Gather(weights.Span.Slice(view!.Offset, view.Length), values);
            tensors.Add(tensor.Name, ([.. tensor.Shape], values));
        }

        return tensors;
    }

    private static AlignedBuffer Imported(Case expected, ITensorFile file, out Network network)
    {
        RunSpecification run = TrialModel.Specification(expected.Layers);
        network = ImportedWeights.Read(
            RunPlanner.BuildNetwork(run, Shape.Of(expected.Shape)),
            new Placed<InitialWeightsSpecification>(
                new InitialWeightsSpecification("fixture", []), run.Layers[0].Place),
            file).Network;
        var weights = new AlignedBuffer(network.Layout.Length);
        network.InitializeWeights(1, weights);
        return weights;
    }

    private sealed record Case(string Layers, int[] Shape, double[][] X, double[][] Y);

    private sealed class NamedTensors : Dictionary<string, (int[] Shape, float[] Values)>;
}
