using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Backprop.Console.Explanation;

/// <summary>One weight of a network, named as in <c>output.weight[0,1]</c>: from neuron 0 of the
/// layer before to neuron 1.</summary>
/// <param name="Tensor">Layer and parameter.</param>
/// <param name="Input">Index of the neuron before.</param>
/// <param name="Neuron">Index of the neuron in the layer.</param>
internal sealed partial record WeightReference(string Tensor, int Input, int Neuron)
{
    /// <summary>Reads a weight's name.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out WeightReference? weight)
    {
        weight = null;
        Match match = Pattern().Match(text);
        if (!match.Success
            || !TryIndex(match.Groups["input"], out int input)
            || !TryIndex(match.Groups["neuron"], out int neuron))
        {
            return false;
        }

        weight = new WeightReference(match.Groups["tensor"].Value, input, neuron);
        return true;
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Tensor}[{Input},{Neuron}]";

    private static bool TryIndex(Group group, out int index) => int.TryParse(
        group.Value, NumberStyles.None, CultureInfo.InvariantCulture, out index);

    [GeneratedRegex(@"^(?<tensor>[^\[\]\s]+)\[(?<input>\d+),\s*(?<neuron>\d+)\]$")]
    private static partial Regex Pattern();
}
