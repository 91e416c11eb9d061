using System.CommandLine;
using Backprop.Console.Rendering;
using Backprop.Console.Storage;
using Backprop.Data;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Plugins;
using Backprop.Training;
using Backprop.Training.Interchange;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;

namespace Backprop.Console.Commands;

/// <summary><c>backprop describe</c>.</summary>
internal static class DescribeCommand
{
    private const int LabelWidth = 12;

    public static Command Create(CommandEnvironment environment)
    {
        Argument<string> specification = SharedOptions.Specification();
        Option<string?> configuration = SharedOptions.Configuration();
        var command = new Command(
            "describe", "Show layers, shapes, parameters, data and memory")
        {
            specification, configuration,
        };
        command.SetAction(result =>
        {
            string path = result.GetRequiredValue(specification);
            using PlannedRun run = SpecificationFile.Plan(
                SpecificationFile.Read(
                    path, SharedOptions.Plugins(result, configuration, environment)));
            CommandEnvironment wanted = environment.For(result);
            wanted.Answer(RunDescription.Of(run), Describe(run, wanted.Width));
        });
        return command;
    }

    private static IEnumerable<string> Describe(PlannedRun run, int width)
    {
        TrainingPlan plan = run.Plan;
        yield return plan.Name;
        yield return "";
        foreach (string line in Layers(plan.Network, width))
        {
            yield return line;
        }

        yield return "";
        var extent = RunExtent.Of(plan);
        if (run.Specification.InitialWeights?.Value is { } start)
        {
            string names = start.Names == TensorNames.HuggingFace
                ? " by Hugging Face's names"
                : "";
            yield return Line("begins with", start.Safetensors + names + (start.Except.IsEmpty
                ? ""
                : $", except {string.Join(", ", start.Except)}"));
        }

        foreach (PluginLayer layer in plan.Network.Nodes.Select(node => node.Layer)
            .OfType<PluginLayer>().DistinctBy(layer => layer.Kind))
        {
            yield return Line(
                "plug-in", $"{layer.Kind} of {layer.Plugin.File}, sha256 {layer.Plugin.Sha256}");
        }

        yield return Line("training", Samples(plan.Train));
        yield return Line("validation", Samples(plan.Validation));
        yield return Line("test", Samples(plan.Test));
        foreach (NetworkInput input in plan.Network.Inputs)
        {
            yield return Line("input", input.ToString());
        }

        yield return Line("loss", plan.Loss.Name);
        foreach (DescribedOutput output in DescribedOutput.Of(plan))
        {
            yield return Line("output", $"{output.Name}: {Describe(output)}");
        }

        yield return Line(
            "optimizer",
            $"{plan.Optimizer.Name}, learning rate {NumberText.Full(plan.Optimizer.LearningRate)} "
            + $"({plan.Schedule.Name})");
        foreach (ParameterGroup group in plan.Groups)
        {
            yield return Line("group", Describe(group));
        }

        if (plan.Averaging is { } averaging)
        {
            yield return Line("averaging", $"{averaging.Name}: the result is the average");
        }

        yield return Line(
            "batch", $"{plan.BatchSize} samples in {plan.MicroBatches} micro-batches");
        yield return Line(
            "steps",
            $"{NumberText.Count(extent.TotalSteps)}: {plan.Epochs} epochs of "
            + NumberText.Count(extent.StepsPerEpoch));
        if (run.Specification.Ensemble is EnsembleSpecification ensemble)
        {
            yield return Line("ensemble", $"{ensemble.Seeds} networks");
        }

        if (run.Specification.Transport.Gradients == ElementEncoding.Bf16)
        {
            yield return Line(
                "transport",
                "bf16 gradients in a cluster: inexact, the result depends on it");
        }

        yield return Line(
            "memory", $"{NumberText.Bytes(run.MemoryBytes)} to train, beside the data");
    }

    private static string Describe(DescribedOutput output)
    {
        string target = output.Target.Length == 0 ? "" : $", target {output.Target}";
        return $"{output.Shape}, {output.Loss}, weight {NumberText.Full(output.Weight)}{target}";
    }

    private static string Describe(ParameterGroup group)
    {
        string decay = group.WeightDecay is { } own
            ? $", weight decay {NumberText.Short(own)}"
            : "";
        return $"{string.Join(' ', group.Layers)}: learning rate times "
            + NumberText.Short(group.LearningRateFactor) + decay;
    }

    private static IEnumerable<string> Layers(Network network, int width)
    {
        var rows = new List<string[]>
        {
            (string[])["input", "", network.InputShape.ToString(), ""],
        };
        for (int node = 0; node < network.Nodes.Length; node++)
        {
            Layer layer = network.Nodes[node].Layer;
            int parameters = layer.Parameters.Sum(parameter => parameter.Shape.Count);
            string text = network.Nodes[node].Owner is { } owner
                ? $"those of {network.Nodes[owner].Layer.Name}"
                : parameters == 0 ? "" : NumberText.Count(parameters);
            rows.Add([layer.Name, layer.Kind, layer.OutputShape.ToString(), text]);
        }

        rows.Add(["", "", "total", NumberText.Count(network.Layout.Count)]);
        return TextTable.Write(["layer", "kind", "output", "parameters"], rows, width);
    }

    private static string Samples(IDataset? dataset) => dataset is null
        ? "none"
        : $"{NumberText.Count(dataset.Count)} samples of {dataset.Source}";

    private static string Line(string label, string text) => $"{label.PadRight(LabelWidth)}{text}";
}
