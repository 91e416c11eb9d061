using Backprop.Engine.Layers;
using Backprop.Engine.Networks;
using Backprop.Engine.Tests.Networks;

namespace Backprop.Engine.Tests.Layers;

/// <summary>Backpropagation through time that is cut after so many positions.</summary>
public sealed class TruncationTests
{
    private const int Positions = 6;

    // With all weights 0, a cell's gates are those of its biases: i = f = o = 1/2, g = tanh(ln 2) =
    // 3/5. So c1 = 3/10 and c2 = c1/2 + 3/10 = 9/20, and of E = h2 = tanh(c2)/2 is
    // dE/dc2 = (1 − tanh²(c2))/2. The second position adds dE/dc2·i·(1 − g²) to the gradient of g's
    // bias, the first as much by f = 1/2: but for a cut between them.
    [Theory]
    [InlineData(null, 1.5)]
    [InlineData(2, 1.5)]
    [InlineData(1, 1.0)]
    public void A_cut_leaves_out_what_would_come_back_from_later_positions(
        int? truncation, double share)
    {
        using var trial = new Trial(
            Shape.Of(2, 1),
            [new LstmDefinition(1) { Return = RecurrentReturn.Last, Truncation = truncation }],
            rows: 1);
        trial.Weights.Span.Clear();
        trial.Parameter("lstm1.input.bias")[2] = MathF.Log(2);
        trial.Batch.Features.Span.Fill(1);
        trial.Batch.Targets.Span[0] = 1;
        float[] gradient = trial.ComputeAll().Gradient;

        double before = Math.Tanh(0.3) / 2, squashed = Math.Tanh(0.45);
        double ofMemory = (1 - (squashed * squashed)) / 2, ofCell = ofMemory / 2 * 0.64;
        AssertClose(share * ofCell, OfCell("lstm1.input.bias"));
        AssertClose(share * ofCell, OfCell("lstm1.input.weight"));

        // The state that came over the cut is a constant there, but no zero.
        AssertClose(before * ofCell, OfCell("lstm1.weight"));

        float OfCell(string parameter)
        {
            Assert.True(trial.Network.Layout.TryFind(parameter, out ParameterView? view));
            return gradient[view.Offset + 2];
        }

        static void AssertClose(double expected, float actual) =>
            Assert.Equal(expected, actual, tolerance: 1e-7);
    }

    [Theory]
    [InlineData("lstm")]
    [InlineData("gru")]
    public void A_cut_behind_the_last_position_is_none(string kind)
    {
        float[] whole = Gradient(kind, null);
        Assert.Equal(whole, Gradient(kind, Positions));
        Assert.Equal(whole, Gradient(kind, int.MaxValue));
        Assert.NotEqual(whole, Gradient(kind, Positions - 1));
    }

    [Theory]
    [InlineData("lstm")]
    [InlineData("gru")]
    public void A_cut_changes_no_output(string kind)
    {
        using Trial whole = NewTrial(kind, null), cut = NewTrial(kind, 2);
        whole.Compute(0, 1, out float[] expected).Dispose();
        cut.Compute(0, 1, out float[] actual).Dispose();
        Assert.Equal(expected, actual);
    }

    private static float[] Gradient(string kind, int? truncation)
    {
        using Trial trial = NewTrial(kind, truncation);
        return trial.ComputeAll().Gradient;
    }

    private static Trial NewTrial(string kind, int? truncation)
    {
        RecurrentDefinition layer = kind == "lstm" ? new LstmDefinition(5) : new GruDefinition(5);
        return new Trial(
            Shape.Of(Positions, 3),
            [new DenseDefinition(4), layer with { Truncation = truncation }], rows: 4);
    }
}
