using System.Collections.Immutable;
using Backprop.Engine.Networks;

namespace Backprop.Engine.Layers;

/// <summary>An output of the network, which has a loss of its own: what its layers make of what
/// comes to them. They are named <c>digit.dense1</c>. Layers after it read what came to it, not
/// what it made: so it stands at the end of a network, one behind the other, or on the way, as the
/// auxiliary classifiers in Szegedy et al., "Going deeper with convolutions", CVPR 2015.</summary>
/// <param name="Layers">From what comes to it to the output; none: the output is that itself.
/// </param>
public sealed record OutputDefinition(ImmutableArray<LayerDefinition> Layers) : LayerDefinition
{
    /// <inheritdoc/>
    public override string Kind => "output";

    /// <summary>An output is no layer; <see cref="AddTo"/> adds those in it.</summary>
    /// <inheritdoc/>
    public override Layer Build(string name, Shape input) => throw new InvalidOperationException(
        $"output '{name}' stands for several layers");

    /// <inheritdoc/>
    public override void AddTo(NetworkBuilder builder, string name)
    {
        if (Name is null)
        {
            throw new ArgumentException(
                "an output has a name, by which it is judged: name = digit");
        }

        int entry = builder.LastNode;
        foreach (LayerDefinition layer in Layers.IsDefault ? [] : Layers)
        {
            builder.Add(layer, name);
        }

        builder.MarkOutput(Name);
        builder.GoOnFrom(entry);
    }
}
