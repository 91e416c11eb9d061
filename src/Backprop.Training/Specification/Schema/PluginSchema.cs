using System.Collections.Immutable;
using Backprop.Engine.Layers;
using Backprop.Engine.Plugins;
using Backprop.Training.Specification.Hocon;
using Backprop.Training.Specification.Reading;

namespace Backprop.Training.Specification.Schema;

/// <summary>Layers of plug-ins: their kind, and the options that their factory asks for.</summary>
internal static class PluginSchema
{
    private const string KindName = "kind";

    private static readonly Key<string> Kind = Key.Required(
        KindName, Kinds.Text, "the layer's word in its plug-in");

    private static readonly Key<LayerDefinition> Layer = Key.Required(
        "", new PluginLayerKind(), "the layer");

    /// <summary>The word <c>plugin</c>.</summary>
    public static Section<LayerDefinition> Section { get; } = new(
        "plugin", "A layer of a plug-in: `plugin { kind = acme-swish }`, with the options that the "
        + "plug-in gives it, and `name` as every layer; [plugins.md](plugins.md) has how they are "
        + "written and loaded.", [Layer], k => k.Get(Layer), Layer);

    /// <summary>The keys of a plug-in's layer.</summary>
    public static Section<PluginLayerDefinition> SectionOf(
        LayerPlugin plugin, ILayerFactory factory, IReadOnlyList<LayerOption> options)
    {
        Key<object>[] keys = [.. options.Select(KeyOf)];
        return new Section<PluginLayerDefinition>(
            factory.Kind, $"Of {plugin.File}.", [Kind, LayerSchema.Name, .. keys],
            k => new PluginLayerDefinition(
                plugin, factory,
                new LayerOptions(keys.ToImmutableDictionary(key => key.Name, k.Get)))
            {
                Name = k.Get(LayerSchema.Name),
            });
    }

    /// <summary>Why these are no options; null: they are.</summary>
    public static string? MistakeIn(
        IReadOnlyList<LayerOption> options, Func<string, bool> isWord)
    {
        foreach (LayerOption option in options)
        {
            string? mistake = option switch
            {
                null => "is null",
                { Name: KindName or "name" } => "is every layer's",
                _ when option.Name is null || !isWord(option.Name) =>
                    "is not named by a word of lower-case letters, digits and dashes",
                _ when options.Count(other => other.Name == option.Name) > 1 => "stands twice",
                NumberOption number when !(number.Minimum <= number.Maximum)
                    || number.Default is { } value
                    && !(value >= number.Minimum && value <= number.Maximum) =>
                    "has a default that is out of its range",
                IntegerOption whole when whole.Minimum > whole.Maximum
                    || whole.Default < whole.Minimum || whole.Default > whole.Maximum =>
                    "has a default that is out of its range",
                WordOption { Words: { IsDefaultOrEmpty: true } } => "has no words",
                NumberOption or IntegerOption or BooleanOption or WordOption => null,
                _ => "is of a type that specifications do not have",
            };
            if (mistake is not null)
            {
                return $"option '{option?.Name}' {mistake}";
            }
        }

        return null;
    }

    private static Key<object> KeyOf(LayerOption option) => option switch
    {
        NumberOption number => KeyOf(
            number, new NumberKind(number.Minimum, number.Maximum).As(n => (object)n),
            number.Default),
        IntegerOption whole => KeyOf(
            whole, new IntegerKind(whole.Minimum, whole.Maximum).As(n => (object)(int)n),
            whole.Default),
        BooleanOption boolean => KeyOf(
            boolean, Kinds.Boolean.As(b => (object)b), boolean.Default),
        WordOption words => KeyOf(
            words,
            new WordKind<string>([.. words.Words.Select(word => (word, word))])
                .As(word => (object)word),
            words.Words[0]),
        _ => throw new InvalidOperationException($"an option of the type {option.GetType()}"),
    };

    private static Key<object> KeyOf(LayerOption option, ValueKind<object> kind, object? value) =>
        value is null
            ? Key.Required(option.Name, kind, option.Meaning)
            : Key.Optional(
                option.Name, kind, value, FormattableString.Invariant($"{value}"), option.Meaning);

    /// <summary>The kind alone, or an object with it and the layer's keys.</summary>
    private sealed class PluginLayerKind : ValueKind<LayerDefinition>
    {
        public override string Description => "a layer of a plug-in";

        public override bool TryRead(ValueCursor at, out LayerDefinition value)
        {
            value = null!;
            HoconObject fields = at.Value is HoconScalar word
                ? new HoconObject(
                    word.Position, [new HoconField(KindName, word.Position, word)])
                : at.Value as HoconObject ?? new HoconObject(at.Value.Position, []);
            if (!fields.TryGet(KindName, out HoconField? field)
                || field.Value is not HoconScalar kind)
            {
                return at.Fail(
                    "expected a layer of a plug-in, `plugin { kind = acme-swish }`, found "
                    + at.Value.Describe());
            }

            if (!at.Plugins.TryFind(kind.Text, out Section<PluginLayerDefinition>? section))
            {
                return at.FailAt(
                    kind.Position, at.PathOf(KindName), at.Plugins.Loaded.IsEmpty
                        ? $"layer '{kind.Text}' is of a plug-in, and none is loaded here: "
                            + "backprop.plugins of the node's configuration names them"
                        : $"no plug-in that is loaded here has a layer '{kind.Text}'; "
                            + Spelling.Suggest(kind.Text, at.Plugins.Kinds));
            }

            bool isRead = section.TryRead(
                at with { Value = fields }, out PluginLayerDefinition layer);
            value = layer;
            return isRead;
        }
    }
}
