using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using Backprop.Engine.Networks;

namespace Backprop.Training.Checkpoints;

/// <summary>A parameter tensor as files name it.</summary>
/// <param name="Name">Layer and parameter.</param>
/// <param name="Shape">Its dimensions.</param>
/// <param name="Offset">Where it begins in the flat vector.</param>
public sealed record StoredParameter(string Name, ImmutableArray<int> Shape, int Offset)
{
    /// <summary>The tensors of a layout.</summary>
    public static ImmutableArray<StoredParameter> Of(ParameterLayout layout) =>
    [
        .. layout.Views.Select(view => new StoredParameter(
            view.Name, view.Declaration.Shape.Dimensions, view.Offset)),
    ];

    /// <summary>Name and shape: <c>output.weight [128x10]</c>.</summary>
    public override string ToString() => $"{Name} [{string.Join('x', Shape)}]";
}

/// <summary>What makes two plans the same run: a checkpoint goes on only with the plan it was made
/// by. How it is computed (threads, machines) is no part of it.</summary>
/// <param name="Seed">The seed: members of an ensemble share everything else.</param>
/// <param name="Specification">The specification's canonical text: a line a key.</param>
/// <param name="DataDigests">What identifies each dataset: a line each.</param>
public sealed record PlanIdentity(
    ulong Seed, string Specification, ImmutableArray<string> DataDigests)
{
    /// <summary>The identity of a plan. One that was made in code, without a specification, is
    /// known by what it consists of.</summary>
    public static PlanIdentity Of(TrainingPlan plan) => new(
        plan.Seed,
        plan.Specification.Length > 0 ? plan.Specification : Describe(plan),
        plan.DataDigests);

    /// <summary>SHA-256 of the texts, in lower-case hex.</summary>
    public string Fingerprint()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string text in AllLines())
        {
            hash.AppendData(Encoding.UTF8.GetBytes(text));
            hash.AppendData([0]);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>What tells two identities apart, in words; null: nothing does.</summary>
    /// <param name="other">The identity that is asked for.</param>
    public string? DifferenceFrom(PlanIdentity other)
    {
        string[] mine = AllLines(), theirs = other.AllLines();
        if (mine.AsSpan().SequenceEqual(theirs))
        {
            return null;
        }

        string[] gone = [.. mine.Except(theirs)];
        string[] added = [.. theirs.Except(mine)];
        return (gone, added) switch
        {
            ([], []) => "the order of the keys",
            ([], [var line, ..]) => $"'{line}' is new",
            ([var line, ..], []) => $"'{line}' is missing",
            ([var before, ..], [var now, ..]) => $"'{before}' became '{now}'",
        };
    }

    private static string Describe(TrainingPlan plan)
    {
        IEnumerable<FormattableString> layers = plan.Network.Nodes.Select(
            FormattableString (node) =>
                $"layer {node.Layer.Name} = {node.Layer.Kind} {node.Layer.OutputShape}");
        FormattableString[] lines =
        [
            .. layers,
            $"loss = {plan.Loss}",
            $"optimizer = {plan.Optimizer}",
            $"schedule = {plan.Schedule}",
            $"penalty = {plan.Penalty}",
            $"clipping = {plan.Clipping}",
            $"backward = {plan.Backward}",
            $"batch-size = {plan.BatchSize}",
            $"micro-batches = {plan.MicroBatches}",
            $"epochs = {plan.Epochs}",
            $"stop = {plan.Stop}",
            $"shuffle = {plan.Shuffle}",
            $"train = {plan.Train.Source}, {plan.Train.Count} samples",
            $"validation = {plan.Validation?.Source}, {plan.Validation?.Count} samples",
            .. plan.Groups.Select(FormattableString (g) =>
                $"group {string.Join(' ', g.Layers)} = {g.LearningRateFactor} {g.WeightDecay}"),
            .. plan.Network.Inputs.Select(FormattableString (input) => $"input {input}"),
            .. plan.Network.HasNamedOutputs
                ? plan.Network.Outputs.Select(FormattableString (one, i) =>
                    $"output {one.Name} = node {one.Node} {plan.Targets.ElementAtOrDefault(i)}")
                : [],
            .. plan.Mixup is null ? (FormattableString[])[] : [$"mixup = {plan.Mixup}"],
            .. plan.Averaging is null
                ? (FormattableString[])[]
                : [$"averaging = {plan.Averaging}"],
        ];
        return string.Join('\n', lines.Select(FormattableString.Invariant));
    }

    private string[] AllLines()
    {
        string[] keys = Specification.Split(
            '\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return [FormattableString.Invariant($"seed = {Seed}"), .. keys, .. DataDigests];
    }
}
