using System.Collections.Immutable;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;

namespace Backprop.Training.Interchange;

/// <summary>Goes through a network's layers in order and holds them against what an architecture
/// has in their places. Dropout is passed over: it does nothing to a trained network.</summary>
/// <param name="network">The network.</param>
/// <param name="architecture">The architecture's name, for messages.</param>
internal sealed class LayerWalk(Network network, string architecture)
{
    private const string Dropout = "dropout";

    private readonly Dictionary<string, (string Layer, object? Value)> _same =
        new(StringComparer.Ordinal);

    // The node that was taken last; the next one must read it.
    private int _last = NetworkBuilder.InputNode;

    // The layer that was taken last, for messages.
    private string _name = "";

    /// <summary>Whether a residual block is still to come.</summary>
    public bool HasBlocks =>
        network.Nodes.Skip(_last + 1).Any(node => node.Layer is ResidualSumLayer);

    // The node that was not taken yet and comes first; null: none is left.
    private NetworkNode? Next => network.Nodes.ElementAtOrDefault(_last + 1);

    /// <summary>Passes over dropout.</summary>
    /// <returns>The node whose output the next layer reads.</returns>
    public int PassDropout()
    {
        while (Next is { Layer.Kind: Dropout } node && node.Input == _last)
        {
            _last++;
        }

        return _last;
    }

    /// <summary>Takes the next definition and what it was made into.</summary>
    /// <param name="wanted">What the architecture has here, for messages.</param>
    /// <exception cref="NotSupportedException">It is another, or none.</exception>
    public (T Definition, ImmutableArray<NetworkNode> Nodes) Take<T>(string wanted)
        where T : LayerDefinition
    {
        int entry = PassDropout();
        if (Next is not { } first)
        {
            throw new NotSupportedException(
                $"the network ends behind '{_name}', where {architecture} has {wanted}");
        }

        _name = first.Origin?.Name ?? first.Layer.Name;
        while (Next is { } node && node.Input == _last
            && ReferenceEquals(node.Origin, first.Origin))
        {
            _last++;
        }

        return _last > entry && first.Origin?.Definition is T definition
            ? (definition, network.Nodes[(entry + 1)..(_last + 1)])
            : throw new NotSupportedException(
                $"layer '{_name}' is of the kind "
                + $"{first.Origin?.Definition.Kind ?? first.Layer.Kind}, where {architecture} has "
                + wanted);
    }

    /// <summary>Takes the residual sum of what was computed since.</summary>
    /// <param name="entry">What <see cref="PassDropout"/> gave before.</param>
    /// <exception cref="NotSupportedException">The next layer is no such sum.</exception>
    public void TakeSum(int entry)
    {
        const string Wanted = "the end of a residual block";
        (_, ImmutableArray<NetworkNode> nodes) = Take<ResidualDefinition>(Wanted);
        Require(nodes[^1].Skip == entry, "another input as its sum's", $"{Wanted} of two layers");
    }

    /// <summary>Holds the layer that was taken last to something.</summary>
    /// <param name="holds">Whether it is so.</param>
    /// <param name="has">What the layer has else.</param>
    /// <param name="wanted">What the architecture has.</param>
    /// <exception cref="NotSupportedException">It is not so.</exception>
    public void Require(bool holds, string has, string wanted)
    {
        if (!holds)
        {
            throw new NotSupportedException(
                $"layer '{_name}' has {has}, where {architecture} has {wanted}");
        }
    }

    /// <summary>Holds the layer that was taken last to what layers before it have.</summary>
    /// <param name="what">What must be the same.</param>
    /// <param name="value">What the layer has.</param>
    /// <exception cref="NotSupportedException">One before it has another value.</exception>
    public T Same<T>(string what, T value)
    {
        if (_same.TryAdd(what, (_name, value)) || Equals(_same[what].Value, value))
        {
            return value;
        }

        (string layer, object? other) = _same[what];
        throw new NotSupportedException(
            $"layer '{_name}' has {what} {value}, and '{layer}' {other}: {architecture} has one "
            + "for all layers");
    }

    /// <summary>Holds the network to end here.</summary>
    /// <exception cref="NotSupportedException">A layer follows.</exception>
    public void End()
    {
        PassDropout();
        if (Next is { } node)
        {
            throw new NotSupportedException(
                $"layer '{node.Layer.Name}' stands behind '{_name}', which is the last of "
                + architecture);
        }
    }
}
