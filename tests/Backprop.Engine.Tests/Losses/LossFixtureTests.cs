using System.Text.Json;
using Backprop.Engine.Losses;
using Backprop.Engine.Tests.Fixtures;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Tests.Losses;

/// <summary>Losses and gradients against PyTorch's in double precision.</summary>
public sealed class LossFixtureTests
{
    private static readonly JsonElement File = Fixture.Load("losses.json");

    public static TheoryData<int, string> Cases()
    {
        var cases = new TheoryData<int, string>();
        int number = 0;
        foreach (JsonElement element in File.GetProperty("cases").EnumerateArray())
        {
            string options = element.GetProperty("options").GetRawText();
            cases.Add(number++, $"{element.GetProperty("loss").GetString()} {options}");
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void RowsAndGradientsArePyTorchs(int number, string name)
    {
        JsonElement data = File.GetProperty("cases")[number];
        Loss loss = Make(data);
        Assert.StartsWith(loss.Name, name, StringComparison.Ordinal);
        double[] expected = data.GetProperty("rowLosses").Doubles();
        double[] expectedGradient = data.GetProperty("gradient").Doubles();
        var trial = new LossTrial(
            expected.Length, expectedGradient.Length / expected.Length,
            data.GetProperty("outputs").Floats(), data.GetProperty("targets").Floats());
        for (int row = 0; row < trial.Rows; row++)
        {
            double reference = trial.Reference(loss, row, trial.RowOutputs(row));
            Assert.Equal(expected[row], reference, 1e-13 * (1 + Math.Abs(expected[row])));
        }

        using var pool = new ComputePool(1);
        (float[] rowLosses, float[] gradient) = trial.Compute(loss, pool, 1);
        AssertClose(expected, rowLosses, 1e-6);
        AssertClose(expectedGradient, gradient, 1e-6);
    }

    [Fact]
    public void EveryLossHasCases() =>
        Assert.Equal(
            LossTrial.Losses(2).Select(loss => loss.Name).Distinct().Order(),
            File.GetProperty("cases").EnumerateArray()
                .Select(element => element.GetProperty("loss").GetString()!).Distinct().Order());

    private static Loss Make(JsonElement data)
    {
        JsonElement options = data.GetProperty("options");
        return data.GetProperty("loss").GetString() switch
        {
            "half-squared-error" => new HalfSquaredError(),
            "mean-squared-error" => new MeanSquaredError(),
            "mean-absolute-error" => new MeanAbsoluteError(),
            "huber" => new Huber((float)options.Number("delta", 1)),
            "binary-cross-entropy" => new BinaryCrossEntropy(),
            "binary-cross-entropy-on-probabilities" => new BinaryCrossEntropyOnProbabilities(),
            "softmax-cross-entropy" => new SoftmaxCrossEntropy(
                (float)options.Number("labelSmoothing", 0),
                [.. options.Optional("classWeights")?.Floats() ?? []])
            {
                SoftTargets = options.Optional("softTargets") is not null,
            },
            string other => throw new InvalidDataException($"no loss is named '{other}'"),
            null => throw new InvalidDataException("a case names no loss"),
        };
    }

    private static void AssertClose(double[] expected, float[] actual, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.Equal(expected[i], actual[i], tolerance * (1 + Math.Abs(expected[i])));
        }
    }
}
