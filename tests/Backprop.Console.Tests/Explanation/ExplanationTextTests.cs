using System.Globalization;
using System.Text.RegularExpressions;
using Backprop.Console.Explanation;

namespace Backprop.Console.Tests.Explanation;

public class ExplanationTextTests
{
    [Fact]
    public void The_articles_numbers_are_written_out()
    {
        string text = Explain("output.weight[0,0]");

        Assert.Contains("w leads from hidden[0] to output[0]", text);
        AssertNumber(0.75136507, text, @"output\[0\].*\n.*\n +out = sigmoid\(net\) = ");
        AssertNumber(0.772928465, text, @"output\[1\].*\n.*\n +out = sigmoid\(net\) = ");
        AssertNumber(0.298371109, text, @"\nE = ");
        AssertNumber(0.74136507, text, "dE/dout   = ");
        AssertNumber(0.186815602, text, "dout/dnet = ");
        AssertNumber(0.593269992, text, "dnet/dw   = ");
        AssertNumber(0.082167041, text, "dE/dw     = dE/dout · dout/dnet · dnet/dw = ");
        AssertNumber(0.35891648, text, "new w     = ");
        Assert.Contains("(before: 0.4; sgd)", text);
    }

    [Fact]
    public void A_hidden_weight_is_reached_over_every_path()
    {
        string text = Explain("hidden.weight[1,0]");

        Assert.Contains("w leads from input[1] to hidden[0]", text);
        AssertNumber(0.0363503064, text, "dE/dout   = ");
        AssertNumber(0.1384985616 * 0.4, text, @"· 0\.4 = ");
        AssertNumber(-0.0380982365 * 0.5, text, @"· 0\.5 = ");
        AssertNumber(0.1, text, "dnet/dw   = ");
        AssertNumber(0.00087713547, text, "· dnet/dw = ");
    }

    [Fact]
    public void Frozen_biases_are_said_to_be_frozen() => Assert.Matches(
        @"output\.bias\[1\]\s+0\.6\s+frozen\s+0\.6", Explain());

    [Fact]
    public void Every_line_fits_80_columns() => Assert.All(
        ExplanationText.Write(TwoTwoTwo.Step, [new WeightReference("hidden.weight", 1, 0)]),
        line => Assert.True(line.Length <= 80, line));

    [Theory]
    [InlineData("output.weight[0,1]", "output.weight", 0, 1)]
    [InlineData("a.b.weight[12, 3]", "a.b.weight", 12, 3)]
    public void A_weight_is_named_by_tensor_and_indices(
        string text, string tensor, int input, int neuron)
    {
        Assert.True(WeightReference.TryParse(text, out WeightReference? weight));
        Assert.Equal(new WeightReference(tensor, input, neuron), weight);
    }

    [Theory]
    [InlineData("output.weight")]
    [InlineData("output.weight[0]")]
    [InlineData("output.weight[0,-1]")]
    [InlineData("[0,0]")]
    [InlineData("output.weight[0,99999999999]")]
    public void What_names_no_weight_is_refused(string text) =>
        Assert.False(WeightReference.TryParse(text, out _));

    /// <summary>The number after what matches <paramref name="before"/> is right to fp32.</summary>
    private static void AssertNumber(double expected, string text, string before)
    {
        Match match = Regex.Match(text, before + @"(?<number>-?[\d.]+(e[+-]?\d+)?)");
        Assert.True(match.Success, $"nothing like '{before}' in:\n{text}");
        double number = double.Parse(match.Groups["number"].Value, CultureInfo.InvariantCulture);
        Assert.Equal(expected, number, Math.Abs(expected) * 2e-7);
    }

    private static string Explain(params string[] weights) => string.Join('\n',
        ExplanationText.Write(TwoTwoTwo.Step, [.. weights.Select(text =>
            WeightReference.TryParse(text, out WeightReference? weight)
                ? weight
                : throw new ArgumentException(text))]));
}
