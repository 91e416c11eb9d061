using System.Collections.Immutable;
using Backprop.Engine;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;
using Backprop.Training.Specification.Hocon;
using Backprop.Training.Specification.Reading;

namespace Backprop.Training.Specification.Schema;

/// <summary>A network's named inputs and outputs: what they are made of, what judges them, and the
/// layers that read and make them.</summary>
internal static class PortSchema
{
    private static readonly Key<ImmutableArray<Placed<string>>> Columns = Key.Optional(
        "columns", new ListKind<Placed<string>>(
            new PlacedKind<string>(Kinds.Text), "an array of columns' names", acceptsOne: true),
        ImmutableArray<Placed<string>>.Empty, "as `first` and `shape` say",
        "the columns of a table that it is made of, in this order; `*` stands for anything in a "
        + "name, and a categorical column for all of its features");

    private static readonly Key<long?> First = Key.Optional<long?>(
        "first", Kinds.CountOrZero.As(n => (long?)n), null, "as `columns` says",
        "where features have no names, the first of those that it is made of, counted from 0; "
        + "`shape` says how many");

    private static readonly Key<ImmutableArray<long>> Dimensions = Key.Optional(
        "shape", new ListKind<long>(Kinds.Count, "an array of dimensions"), [],
        "a row of its features",
        "the dimensions of a sample of it, outermost first: `[8, 8, 1]`");

    private static readonly Section<InputOptions> InputSection = new(
        "input-features", "The features of one of the network's inputs.",
        [Columns, First, Dimensions], BindInput);

    /// <summary>The inputs by name.</summary>
    public static Key<ImmutableArray<InputSpecification>> Inputs { get; } = Key.Optional(
        "inputs", new MapKind<InputOptions>(
            InputSection, "inputs by name, `{ image { columns = \"pixel*\", shape = [8, 8, 1] } }`",
            Kinds.IsName)
            .As(inputs => inputs.Select(input => input.Value.Named(input.Key)).ToImmutableArray()),
        [], "the whole sample is the only one",
        "parts of a sample's features that layers read by name, with `{ input = image }`");

    private static readonly Key<Placed<LossSpecification>> Loss = Key.Required(
        "loss", new PlacedKind<LossSpecification>(LossSchema.Loss), "what is made small");

    private static readonly Key<double> Weight = Key.Optional(
        "weight", Kinds.Positive, 1.0, "1", "what the loss counts in the sum");

    private static readonly Key<string?> Target = Key.Optional<string?>(
        "target", Kinds.Text.As(text => (string?)text), null,
        "the only one, or of several the one of the output's name",
        "the target that it is held against; several outputs may have one");

    private static readonly Section<OutputSpecification> OutputSection = new(
        "output-loss", "How one of the network's outputs is judged.", [Loss, Weight, Target],
        k => new OutputSpecification("", k.Get(Target), k.GetFloat(Weight), k.Get(Loss)));

    private static readonly Key<ImmutableArray<KeyValuePair<string, OutputSpecification>>> Outputs =
        Key.Required(
            "", new MapKind<OutputSpecification>(
                OutputSection, "outputs by name, `{ digit { loss = softmax-cross-entropy } }`",
                Kinds.IsName),
            "the outputs");

    /// <summary>A loss, or one for each output.</summary>
    public static Choice<ImmutableArray<OutputSpecification>> RunLoss { get; } = new(
        "loss",
        [
            .. LossSchema.Loss.Sections.Select(section =>
                new Section<ImmutableArray<OutputSpecification>>(
                    section.Name, section.Meaning, section.Keys,
                    k =>
                    [
                        new OutputSpecification(
                            "", null, 1, new Placed<LossSpecification>(section.Bind(k), k.Place)),
                    ],
                    section.MainKey)),
            new(
                "outputs", "One for each output of the model, by its name: `outputs { digit { "
                + "loss = softmax-cross-entropy }, slant { loss = huber, weight = 0.3 } }`. Σ "
                + "weight·loss is what is made small. Every output that the model names stands "
                + "here.", [Outputs],
                BindOutputs, Outputs),
        ]);

    private static readonly Key<string> InputName = Key.Required(
        "of", Kinds.Text, "the input's name");

    private static readonly Key<string> OutputName = Key.Required(
        "name", Kinds.Name, "the output's name, by which `loss` judges it");

    private static readonly Key<ImmutableArray<LayerDefinition>> OutputLayers = Key.Optional(
        "layers", new ListKind<LayerDefinition>(
            new DeferredKind<LayerDefinition>(() => LayerSchema.Layer), "an array of layers"),
        [], "none: it is what comes to it", "what makes the output of what comes to it");

    /// <summary>The layers.</summary>
    public static Section<LayerDefinition>[] Layers { get; } =
    [
        new(
            "input", "Reads one of the run's `inputs`, wherever it stands: the first layer of a "
            + "tower, for example in `branches`, which put towers together.",
            [InputName, LayerSchema.Name],
            k => new InputDefinition(k.Get(InputName)) { Name = k.Get(LayerSchema.Name) },
            InputName),
        new(
            "output", "An output of the network, judged by a loss of its own: "
            + "`loss { outputs { ... } }`. What stands after it reads what came to it, so that "
            + "outputs stand one behind the other at the end, or on the way, where they are "
            + "auxiliary classifiers.", [OutputName, OutputLayers],
            k => new OutputDefinition(k.Get(OutputLayers)) { Name = k.Get(OutputName) }),
    ];

    private static InputOptions BindInput(KeyValues keys)
    {
        ImmutableArray<long> dimensions = keys.Get(Dimensions);
        bool isNamed = keys.Has(Columns);
        if (isNamed == keys.Has(First))
        {
            keys.Refuse(
                isNamed ? First : Columns,
                isNamed
                    ? "'columns' says which features it has; leave one of the two out"
                    : "is missing: 'columns', or 'first' with 'shape', says which features it has");
        }
        else if (!isNamed && dimensions.IsEmpty)
        {
            keys.Refuse(Dimensions, "is missing: with 'first' it says how many features it has");
        }

        Shape? shape = null;
        try
        {
            shape = dimensions.IsEmpty
                ? null
                : Shape.Of(dimensions.Select(length => checked((int)length)).ToArray());
        }
        catch (ArgumentOutOfRangeException)
        {
            keys.Refuse(Dimensions, $"a sample of more than {Shape.MaxCount:N0} numbers");
        }

        return new InputOptions(
            keys.Get(Columns), (int)(keys.Get(First) ?? 0), shape, keys.Place);
    }

    private static ImmutableArray<OutputSpecification> BindOutputs(KeyValues keys)
    {
        ImmutableArray<KeyValuePair<string, OutputSpecification>> outputs = keys.Get(Outputs);
        if (outputs.Length is 0 or > Network.MaxOutputs)
        {
            keys.Refuse(
                Outputs, $"{outputs.Length} outputs, where 1 to {Network.MaxOutputs} can be");
        }

        return [.. outputs.Select(output => output.Value with { Name = output.Key })];
    }

    /// <summary>An input without its name, which is the key that it stands under.</summary>
    private sealed record InputOptions(
        ImmutableArray<Placed<string>> Columns, int First, Shape? Shape, SpecificationPlace Place)
    {
        public InputSpecification Named(string name) => new(name, Columns, First, Shape, Place);
    }
}
