using System.Collections.Immutable;
using Backprop.Data;
using Backprop.Data.Batches;
using Backprop.Data.Preparation;
using Backprop.Engine;
using Backprop.Engine.Losses;
using Backprop.Engine.Networks;

namespace Backprop.Training.Metrics;

/// <summary>How the targets of a run are written into batches, and how a network's outputs are read
/// against them.</summary>
/// <param name="Encoding">How targets are written.</param>
/// <param name="Classes">The classes' names; empty: targets are values.</param>
/// <param name="Values">The values' names; empty: targets are classes.</param>
/// <param name="Threshold">For two classes told apart by one output, what the second class is
/// above: 0 for a logit, ½ for a probability. Null: the greatest output names the class.</param>
/// <param name="Scales">How each value is read in its own unit.</param>
public sealed record TargetReading(
    TargetEncoding Encoding, ImmutableArray<string> Classes, ImmutableArray<string> Values,
    double? Threshold, ImmutableArray<TargetScale> Scales)
{
    /// <summary>Positions of a row, each of which has a class: 1 where rows are no sequences.
    /// </summary>
    public int Positions { get; init; } = 1;

    /// <summary>The class of positions that are passed over; null: there is none.</summary>
    public int? PaddingClass { get; init; }

    /// <summary>Where the network's outputs are named, how each of them is read, in their order;
    /// what stands here itself is then empty. Empty: there is one output, without a name.</summary>
    public ImmutableArray<NamedReading> Outputs { get; init; } = [];

    /// <summary>How the targets of a row stand in a batch.</summary>
    public TargetWriting Writing => Outputs.IsEmpty
        ? Encoding
        : new TargetWriting(
            [.. Outputs.Select(o => new WrittenTarget(o.Target, o.Reading.Encoding))]);

    /// <summary>What an evaluation counts: of sequences, whose vocabularies may be large, the
    /// positions that were wrong and those that were right; of classes [true class, predicted
    /// class]; of values nothing.</summary>
    public int Counts => Positions > 1 ? 2 : Classes.Length * Classes.Length;

    /// <summary>The reading that a plan needs.</summary>
    /// <exception cref="ArgumentException">Network, loss and targets do not go together; the
    /// message says what would.</exception>
    public static TargetReading For(TrainingPlan plan)
    {
        TargetReading reading = For(
            plan.Loss, plan.Network, plan.Targets, plan.Train.Target,
            ScalesOf(plan.Train.Target, plan.Preparation), plan.Train.Source);
        foreach (IDataset other in new[] { plan.Validation, plan.Test }.OfType<IDataset>())
        {
            if (other.Target.GetType() != plan.Train.Target.GetType()
                || other.Target.Width != plan.Train.Target.Width
                || other.FeatureShape.Count != plan.Train.FeatureShape.Count)
            {
                throw new ArgumentException(
                    $"{other.Source} is not of the kind of {plan.Train.Source}: features"
                    + $" {other.FeatureShape} where {plan.Train.FeatureShape} belong, or other"
                    + " targets");
            }
        }

        return reading;
    }

    /// <summary>The reading of a run whose samples are not at hand.</summary>
    /// <param name="loss">What the network is judged by.</param>
    /// <param name="network">The network.</param>
    /// <param name="targets">Which target each of its outputs is held against; empty, or null for
    /// an output: the only one, or of several the one of the output's name.</param>
    /// <param name="target">What samples are labelled with.</param>
    /// <param name="scales">How each target value is read in its own unit: those of all targets
    /// that are values, in their order.</param>
    /// <param name="source">Where the samples came from, for messages.</param>
    /// <exception cref="ArgumentException">They do not go together; where an output is named,
    /// an <see cref="OutputMismatchException"/>, which says which.</exception>
    public static TargetReading For(
        LossSum loss, Network network, ImmutableArray<string?> targets, TargetSchema target,
        ImmutableArray<TargetScale> scales, string source)
    {
        loss.Require(network);
        if (!network.HasNamedOutputs)
        {
            return target is TargetSchema.Several several
                ? throw new ArgumentException(
                    $"{source} has the targets {NamesOf(several)}, and the network one output "
                    + "without a name: name its outputs, one for each target")
                : For(loss.Terms[0].Loss, target, network.OutputShape, scales, source);
        }

        var outputs = ImmutableArray.CreateBuilder<NamedReading>(network.Outputs.Length);
        for (int i = 0; i < network.Outputs.Length; i++)
        {
            string? asked = targets.IsEmpty ? null : targets[i];
            try
            {
                outputs.Add(ForOutput(
                    loss.Terms[i], network.Outputs[i],
                    PartOf(asked, network.Outputs[i].Name, target, source),
                    scales, target, source));
            }
            catch (ArgumentException e)
            {
                throw new OutputMismatchException(i, network.Outputs[i].Name, e.Message);
            }
        }

        return new TargetReading(TargetEncoding.Values, [], [], null, scales)
        {
            Outputs = outputs.MoveToImmutable(),
        };
    }

    /// <summary>The reading of the only output of a network.</summary>
    /// <param name="loss">The loss.</param>
    /// <param name="target">What samples are labelled with.</param>
    /// <param name="outputs">The shape of a row of the network's outputs.</param>
    /// <param name="scales">How each target value is read in its own unit.</param>
    /// <param name="source">Where the samples came from, for messages.</param>
    /// <exception cref="ArgumentException">They do not go together.</exception>
    public static TargetReading For(
        Loss loss, TargetSchema target, Shape outputs, ImmutableArray<TargetScale> scales,
        string source) => target switch
    {
        TargetSchema.Class { Positions: > 1 } schema => ForSequences(loss, schema, outputs),
        TargetSchema.Class when loss.PositionsOf(outputs) > 1 => throw new ArgumentException(
            $"the network has outputs {outputs}, a row of classes at each of "
            + $"{loss.PositionsOf(outputs)} positions, and {source} has one class a sample: put a "
            + "flatten layer before the dense ones, or a position-pooling before the last"),
        TargetSchema.Class schema => ForClasses(loss, schema.Classes, outputs.Count),
        TargetSchema.Values schema when loss.Target == TargetKind.Values =>
            ForValues(schema.Names, outputs.Count, scales),
        _ => throw new ArgumentException(
            $"{loss.Name} needs classes, and the targets of {source} are values"),
    };

    private static NamedReading ForOutput(
        LossTerm term, NetworkOutput output, TargetPart part, ImmutableArray<TargetScale> scales,
        TargetSchema target, string source)
    {
        TargetReading reading = For(
            term.Loss, part.Schema, output.Shape,
            scales.Slice(target.FirstValueOf(part), part.Schema.ValueWidth),
            part.Name.Length == 0 ? source : $"target '{part.Name}' of {source}");
        return new NamedReading(
            output.Name, part.Name, term.Weight, reading, output.Shape.Count,
            term.Loss.TargetWidth(output.Shape));
    }

    private static TargetPart PartOf(
        string? asked, string output, TargetSchema target, string source)
    {
        string name = target.NameFor(output, asked);
        return target.Find(name) ?? throw new ArgumentException(
            target is TargetSchema.Several several
                ? $"{source} has no target '{name}', but {NamesOf(several)}: say which with target"
                : $"{source} has one target, without a name: leave target out");
    }

    private static string NamesOf(TargetSchema.Several target) =>
        string.Join(", ", target.Parts.Select(part => part.Name));

    private static ImmutableArray<TargetScale> ScalesOf(
        TargetSchema target, DataPreparation preparation) =>
    [
        .. target.Parts.Zip(preparation.TargetsOf(target))
            .SelectMany(pair => ScalesOf(pair.First.Schema, pair.Second)),
    ];

    private static ImmutableArray<TargetScale> ScalesOf(
        TargetSchema target, Normalization normalization) => target is not TargetSchema.Values
        ? []
        :
        [
            .. Enumerable.Range(0, target.Width).Select(i => normalization.Offsets.IsEmpty
                ? TargetScale.Identity
                : new TargetScale(
                    normalization.Spreads[i % normalization.Spreads.Length],
                    normalization.Offsets[i % normalization.Offsets.Length])
                {
                    IsLogarithmic = normalization.Method == NormalizationMethod.LogStandard,
                }),
        ];

    private static TargetReading ForSequences(
        Loss loss, TargetSchema.Class target, Shape outputs)
    {
        Shape expected = Shape.Of(target.Positions, target.Classes.Length);
        if (loss.Target != TargetKind.ClassIndex)
        {
            throw new ArgumentException(
                $"{loss.Name} needs values, and the data have a class at each of "
                + $"{target.Positions} positions: take softmax-cross-entropy");
        }

        return outputs == expected
            ? new TargetReading(TargetEncoding.ClassIndex, target.Classes, [], null, [])
            {
                Positions = target.Positions,
                PaddingClass = loss.PaddingClass,
            }
            : throw new ArgumentException(
                $"the network has outputs {outputs}, and the data have {target.Classes.Length} "
                + $"classes at each of {target.Positions} positions: its outputs must be "
                + $"{expected}, so give its last layer {target.Classes.Length} units");
    }

    private static TargetReading ForClasses(
        Loss loss, ImmutableArray<string> classes, int outputs)
    {
        if (loss.Target == TargetKind.Values && outputs == 1 && classes.Length == 2)
        {
            double threshold = loss is BinaryCrossEntropy ? 0 : 0.5;
            return new TargetReading(TargetEncoding.Values, classes, [], threshold, []);
        }

        if (outputs != classes.Length)
        {
            throw new ArgumentException(
                $"the network has {outputs} outputs for {classes.Length} classes: give its last"
                + $" layer {classes.Length}");
        }

        TargetEncoding encoding = loss.Target == TargetKind.ClassIndex
            ? TargetEncoding.ClassIndex
            : TargetEncoding.OneHot;
        return new TargetReading(encoding, classes, [], null, []);
    }

    private static TargetReading ForValues(
        ImmutableArray<string> names, int outputs, ImmutableArray<TargetScale> scales) =>
        outputs == names.Length
            ? new TargetReading(TargetEncoding.Values, [], names, null, scales)
            : throw new ArgumentException(
                $"the network has {outputs} outputs for {names.Length} target values: give its last"
                + $" layer {names.Length}");
}

/// <summary>How one of a network's named outputs is read.</summary>
/// <param name="Name">The output.</param>
/// <param name="Target">The target that it is held against; empty: the only one.</param>
/// <param name="Weight">What its loss counts in the whole.</param>
/// <param name="Reading">How it is read, by itself.</param>
/// <param name="Width">Numbers that it has in a row of outputs.</param>
/// <param name="TargetWidth">Numbers that its target has in a row of a batch.</param>
public sealed record NamedReading(
    string Name, string Target, float Weight, TargetReading Reading, int Width, int TargetWidth);

/// <summary>A named output, its loss and its target do not go together.</summary>
/// <param name="output">Which output, counted from 0.</param>
/// <param name="name">Its name.</param>
/// <param name="mistake">What is wrong and what would be right.</param>
public sealed class OutputMismatchException(int output, string name, string mistake)
    : ArgumentException($"output '{name}': {mistake}")
{
    /// <summary>Which output, counted from 0.</summary>
    public int Output { get; } = output;
}

/// <summary>How a prepared target is read in its own unit: value·<paramref name="Factor"/> +
/// <paramref name="Offset"/>, or e to the power of that.</summary>
/// <param name="Factor">Units of the target in one unit of the prepared value.</param>
/// <param name="Offset">The target that the prepared value 0 stands for.</param>
public readonly record struct TargetScale(double Factor, double Offset)
{
    /// <summary>Targets that were not normalized.</summary>
    public static TargetScale Identity { get; } = new(1, 0);

    /// <summary>Whether the prepared value stands for the target's logarithm.</summary>
    public bool IsLogarithmic { get; init; }

    /// <summary>The target, in its own unit.</summary>
    public double Restore(double prepared)
    {
        double value = (prepared * Factor) + Offset;
        return IsLogarithmic ? Normalization.Exponential(value) : value;
    }
}
