using System.Collections.Immutable;
using Backprop.Engine.Networks;

namespace Backprop.Engine.Optimizers;

/// <summary>Layers that are trained otherwise than the rest: PyTorch's parameter groups. Of several
/// groups that match a layer the first one holds.</summary>
/// <param name="Layers">Patterns of layers' names, in which <c>*</c> stands for any characters. One
/// matches a layer by its own name or by that of a block that holds it: <c>residual1</c> matches
/// <c>residual1.dense1</c>.</param>
public sealed record ParameterGroup(ImmutableArray<string> Layers)
{
    /// <summary>What the learning rate is multiplied by, above 0.</summary>
    public double LearningRateFactor { get; init; } = 1;

    /// <summary>What holds instead of the optimizer's own weight decay; null: that does. Biases and
    /// scales do not decay here either.</summary>
    public double? WeightDecay { get; init; }

    /// <summary>Whether a layer is of the group.</summary>
    public bool Contains(string layer) => Layers.Any(pattern => Matches(pattern, layer));

    /// <summary>The group that holds for a tensor; null: none does.</summary>
    public static ParameterGroup? Of(ImmutableArray<ParameterGroup> groups, ParameterView view) =>
        groups.FirstOrDefault(group => group.Contains(view.LayerName));

    /// <summary>The first pattern of a group that no tensor is left for which an optimizer updates:
    /// it matches none, or all that it matches are of groups before. Null: every pattern has some.
    /// </summary>
    public static (int Group, int Pattern)? FindIdle(
        ImmutableArray<ParameterGroup> groups, ParameterLayout layout)
    {
        List<ParameterView> left = [.. layout.Views.Where(view => view.Declaration.IsOptimized)];
        for (int group = 0; group < groups.Length; group++)
        {
            ImmutableArray<string> patterns = groups[group].Layers;
            for (int i = 0; i < patterns.Length; i++)
            {
                if (!left.Exists(view => Matches(patterns[i], view.LayerName)))
                {
                    return (group, i);
                }
            }

            left.RemoveAll(view => groups[group].Contains(view.LayerName));
        }

        return null;
    }

    private static bool Matches(string pattern, string layer)
    {
        for (int end = layer.IndexOf('.'); end >= 0; end = layer.IndexOf('.', end + 1))
        {
            if (MatchesWhole(pattern, layer.AsSpan(0, end)))
            {
                return true;
            }
        }

        return MatchesWhole(pattern, layer);
    }

    // A star that was passed may still take in more: that is all there is to go back to.
    private static bool MatchesWhole(ReadOnlySpan<char> pattern, ReadOnlySpan<char> name)
    {
        int p = 0, n = 0, star = -1, taken = 0;
        while (n < name.Length)
        {
            if (p < pattern.Length && pattern[p] == '*')
            {
                star = p++;
                taken = n;
            }
            else if (p < pattern.Length && pattern[p] == name[n])
            {
                p++;
                n++;
            }
            else if (star >= 0)
            {
                p = star + 1;
                n = ++taken;
            }
            else
            {
                return false;
            }
        }

        return pattern[p..].Trim('*').IsEmpty;
    }
}
