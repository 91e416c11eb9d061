using System.Collections.Immutable;
using Backprop.Engine.Networks;

namespace Backprop.Engine.Plugins;

/// <summary>Says which contract an assembly of layers is built for:
/// <c>[assembly: LayerPlugin]</c>.</summary>
/// <param name="contract">Left out: the one that the assembly is compiled against.</param>
[AttributeUsage(AttributeTargets.Assembly)]
public sealed class LayerPluginAttribute(int contract = LayerPluginAttribute.Current) : Attribute
{
    /// <summary>The version of the contract, raised when plug-ins must be built anew: the types of
    /// this namespace, and those of the engine that they show.</summary>
    public const int Current = 1;

    /// <summary>The contract that the assembly is built for.</summary>
    public int Contract { get; } = contract;
}

/// <summary>An assembly of layers that is loaded.</summary>
/// <param name="File">Its file's name.</param>
/// <param name="Sha256">The file's SHA-256, in lower-case hex: what it is.</param>
/// <param name="Layers">What makes its layers, one a kind.</param>
public sealed record LayerPlugin(
    string File, string Sha256, ImmutableArray<ILayerFactory> Layers);

/// <summary>Which build of a plug-in a run's layers are of: part of what the run is.</summary>
/// <param name="Kind">The layers' kind.</param>
/// <param name="Sha256">The plug-in's SHA-256, in lower-case hex.</param>
public sealed record PluginIdentity(string Kind, string Sha256)
{
    /// <summary>Those of a network's layers, by their kinds.</summary>
    public static ImmutableArray<PluginIdentity> Of(Network network) =>
    [
        .. network.Nodes.Select(node => node.Layer).OfType<PluginLayer>()
            .Select(layer => new PluginIdentity(layer.Kind, layer.Plugin.Sha256))
            .Distinct().OrderBy(identity => identity.Kind, StringComparer.Ordinal),
    ];

    /// <summary>In words: <c>plugin acme-swish: sha256 ab12…</c>.</summary>
    public override string ToString() => $"plugin {Kind}: sha256 {Sha256}";
}

/// <summary>A plug-in that cannot be used, or whose layer has failed; the message names it.
/// </summary>
public sealed class LayerPluginException : Exception
{
    /// <summary>What is wrong, and what would be right.</summary>
    public LayerPluginException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
