using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Backprop.Engine.Networks;
using Backprop.Engine.Plugins;
using Backprop.Training.Specification.Reading;
using Backprop.Training.Specification.Schema;

namespace Backprop.Training.Specification;

/// <summary>The plug-ins that specifications may name layers of.</summary>
public sealed class LayerPlugins
{
    private const int MaxKindLength = 64;

    private readonly Dictionary<string, Section<PluginLayerDefinition>> _sections = [];

    private LayerPlugins(ImmutableArray<LayerPlugin> loaded) => Loaded = loaded;

    /// <summary>No plug-ins.</summary>
    public static LayerPlugins None { get; } = new([]);

    /// <summary>The plug-ins.</summary>
    public ImmutableArray<LayerPlugin> Loaded { get; }

    /// <summary>The kinds of their layers.</summary>
    public IEnumerable<string> Kinds => _sections.Keys.Order(StringComparer.Ordinal);

    /// <summary>These plug-ins.</summary>
    /// <exception cref="LayerPluginException">One has no layer, or one whose kind is no word, is
    /// another layer's, or is the program's own; or an option cannot be one.</exception>
    public static LayerPlugins Of(params IEnumerable<LayerPlugin> loaded)
    {
        var plugins = new LayerPlugins([.. loaded]);
        foreach (LayerPlugin plugin in plugins.Loaded)
        {
            if (plugin.Layers.IsEmpty)
            {
                throw new LayerPluginException(
                    $"plug-in {plugin.File} has no layer: a public class that implements "
                    + $"{nameof(ILayerFactory)} and has a constructor without parameters");
            }

            foreach (ILayerFactory factory in plugin.Layers)
            {
                plugins.Add(plugin, factory);
            }
        }

        return plugins;
    }

    /// <summary>Holds the plug-ins of a run's layers to those that it is known to be of.</summary>
    /// <param name="network">The run's, as it is built here.</param>
    /// <param name="expected">What the run was begun with.</param>
    /// <returns>What differs, with both digests; null: nothing.</returns>
    public static string? DifferenceOf(Network network, ImmutableArray<PluginIdentity> expected)
    {
        ImmutableArray<PluginIdentity> here = PluginIdentity.Of(network);
        foreach (PluginIdentity own in here)
        {
            if (!expected.Contains(own))
            {
                return $"here is '{own}', where the run has "
                    + (expected.FirstOrDefault(other => other.Kind == own.Kind) is { } other
                        ? $"'{other}'"
                        : "none of this kind");
            }
        }

        return expected.FirstOrDefault(other => !here.Contains(other)) is { } missing
            ? $"the run has '{missing}', which is missing here"
            : null;
    }

    internal bool TryFind(
        string kind, [NotNullWhen(true)] out Section<PluginLayerDefinition>? section) =>
        _sections.TryGetValue(kind, out section);

    private void Add(LayerPlugin plugin, ILayerFactory factory)
    {
        string kind = factory.Kind ?? "";
        string what = $"plug-in {plugin.File} has a layer of the kind '{kind}'";
        if (!IsWord(kind))
        {
            throw new LayerPluginException(
                $"{what}: a kind begins with a letter and is of up to {MaxKindLength} lower-case "
                + "letters, digits and dashes");
        }

        if (LayerSchema.Layer.Alternatives.Any(own => own.Name == kind))
        {
            throw new LayerPluginException(
                $"{what}, which is the program's own; its maker's name before it makes it another: "
                + $"acme-{kind}");
        }

        if (_sections.ContainsKey(kind))
        {
            LayerPlugin other =
                Loaded.First(loaded => loaded.Layers.Any(layer => layer.Kind == kind));
            throw new LayerPluginException(
                other == plugin
                    ? $"{what} twice"
                    : $"{what}, and so has {other.File}; allow one of the two");
        }

        LayerOption[] options = factory.Options.IsDefault ? [] : [.. factory.Options];
        if (PluginSchema.MistakeIn(options, IsWord) is { } mistake)
        {
            throw new LayerPluginException($"{what}, whose {mistake}");
        }

        _sections.Add(kind, PluginSchema.SectionOf(plugin, factory, options));
    }

    private static bool IsWord(string text) =>
        text.Length is > 0 and <= MaxKindLength && char.IsAsciiLetterLower(text[0])
        && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-');
}
