using System.Collections.Immutable;
using System.Globalization;
using Backprop.Engine.Networks;

namespace Backprop.Engine.Layers;

/// <summary>Layers under one name, once or several times in a row, each time with weights of their
/// own. The network has the layers alone, named <c>block1.dense1</c>; of several,
/// <c>block1-2.dense1</c> in the second.</summary>
/// <param name="Layers">The layers, in order.</param>
public sealed record BlockDefinition(ImmutableArray<LayerDefinition> Layers) : LayerDefinition
{
    // Deeper than any network that trains, and far from numbers that would fill the memory.
    private const int MostRepetitions = 4096;

    /// <inheritdoc/>
    public override string Kind => "block";

    /// <summary>How many times the layers stand one after the other.</summary>
    public int Repeat { get; init; } = 1;

    /// <summary>Whether only the block's output is kept for the backward pass, each time that it
    /// stands there, and the rest computed anew: see <see cref="Network.Recomputed"/>.</summary>
    public bool Recompute { get; init; }

    /// <summary>A block is no layer; <see cref="AddTo"/> adds those in it.</summary>
    /// <inheritdoc/>
    public override Layer Build(string name, Shape input) => throw new InvalidOperationException(
        $"block '{name}' stands for several layers");

    /// <inheritdoc/>
    public override void AddTo(NetworkBuilder builder, string name)
    {
        if (Layers.IsDefaultOrEmpty)
        {
            throw new ArgumentException($"block '{name}' has no layers");
        }

        if (Repeat is < 1 or > MostRepetitions)
        {
            throw new ArgumentException(
                $"block '{name}' stands there {Repeat} times; 1 to {MostRepetitions} may be");
        }

        for (int i = 1; i <= Repeat; i++)
        {
            string number = i.ToString(CultureInfo.InvariantCulture);
            int first = builder.NodeCount;
            foreach (LayerDefinition layer in Layers)
            {
                builder.Add(layer, Repeat == 1 ? name : $"{name}-{number}");
            }

            if (Recompute)
            {
                builder.Recompute(first);
            }
        }
    }
}
