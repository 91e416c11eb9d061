using System.CommandLine;
using Backprop.Console.Explanation;
using Backprop.Console.Rendering;
using Backprop.Console.Storage;
using Backprop.Engine.Threading;
using Backprop.Training.Specification;

namespace Backprop.Console.Commands;

/// <summary><c>backprop explain</c>.</summary>
internal static class ExplainCommand
{
    private const long MostSteps = 10_000_000;

    // Beyond this nobody reads the numbers, and printing them takes minutes.
    private const long MostParameters = 2_000;

    public static Command Create(CommandEnvironment environment)
    {
        Argument<string> specification = SharedOptions.Specification();
        Option<string?> configuration = SharedOptions.Configuration();
        var weight = new Option<string[]>("--weight")
        {
            Description = "Write out the chain rule of this weight, for example "
                + "output.weight[0,1]: from neuron 0 to neuron 1; may be given again "
                + "[default: the first weight of every layer]",
            HelpName = "NAME",
        };
        var svg = new Option<string?>("--svg")
        {
            Description = "Draw the network with its values and gradients",
            HelpName = "FILE",
        };
        var sample = new Option<long>("--sample")
        {
            Description = "The training sample, from 0",
            HelpName = "N",
            DefaultValueFactory = _ => 0,
        };
        var steps = new Option<long>("--steps")
        {
            Description = "Train this many steps on the sample, and explain the last",
            HelpName = "N",
            DefaultValueFactory = _ => 1,
        };
        var command = new Command(
            "explain", "Print one training step in full, number by number")
        {
            specification, weight, svg, sample, steps, configuration,
        };
        command.SetAction(result => Run(
            result.GetRequiredValue(specification),
            SharedOptions.Plugins(result, configuration, environment),
            result.GetValue(weight) ?? [], result.GetValue(svg), result.GetValue(sample),
            result.GetValue(steps),
            environment.For(result)));
        return command;
    }

    private static int Run(
        string path, LayerPlugins plugins, string[] weights, string? svg, long sample, long steps,
        CommandEnvironment environment)
    {
        if (steps is < 1 or > MostSteps)
        {
            throw new MistakeException(
                $"--steps: {steps} is not from 1 to {NumberText.Count(MostSteps)}");
        }

        RunSpecification specification = SpecificationFile.Read(path, plugins);
        ExplainedStep step = new ComputeThread<ExplainedStep>(
            "explaining", () => Explain(specification, sample, steps)).Result();
        WeightReference[] references = weights.Length == 0
            ? [.. step.Layers.Reverse().Select(l => new WeightReference(l.Weight.Name, 0, 0))]
            : [.. weights.Select(text => Find(text, step))];
        if (svg is not null)
        {
            if (NetworkDrawing.Refusal(step) is string refusal)
            {
                throw new MistakeException($"the network is too large to draw: {refusal}");
            }

            DurableFile.WriteText(svg, NetworkDrawing.Draw(step) + "\n");
        }

        environment.Answer(step, ExplanationText.Write(step, references));
        return ExitCode.Done;
    }

    private static ExplainedStep Explain(RunSpecification specification, long sample, long steps)
    {
        using PlannedRun run = SpecificationFile.Plan(specification);
        long parameters = run.Plan.Network.Layout.Count;
        if (parameters > MostParameters)
        {
            throw new MistakeException(
                $"the network has {NumberText.Count(parameters)} parameters; one that is "
                + $"explained number by number has at most {NumberText.Count(MostParameters)}, "
                + "as those of hocon/runs/articles have");
        }

        if (sample < 0 || sample >= run.Plan.Train.Count)
        {
            throw new MistakeException(
                $"--sample: there is no sample {sample}; {run.Plan.Train.Source} has samples 0 "
                + $"to {run.Plan.Train.Count - 1}");
        }

        using var pool = new ComputePool(1);
        using var explainer = new StepExplainer(run.Plan, sample, pool);
        return explainer.Explain(steps);
    }

    private static WeightReference Find(string text, ExplainedStep step)
    {
        if (!WeightReference.TryParse(text, out WeightReference? weight))
        {
            throw new MistakeException(
                $"--weight: '{text}' names no weight; write it like {Example(step)}");
        }

        NeuronLayer? layer = step.Layers.FirstOrDefault(l => l.Weight.Name == weight.Tensor);
        if (layer is null)
        {
            string names = string.Join(", ", step.Layers.Select(l => l.Weight.Name));
            throw new MistakeException(
                $"--weight: there is no weight tensor '{weight.Tensor}'; there are {names}");
        }

        int inputs = layer.Weight.Before.Length / layer.Width;
        return weight.Input < inputs && weight.Neuron < layer.Width
            ? weight
            : throw new MistakeException(
                $"--weight: '{weight.Tensor}' has inputs 0 to {inputs - 1} and neurons 0 to "
                + $"{layer.Width - 1}; there is no {weight}");
    }

    private static string Example(ExplainedStep step) => $"{step.Layers[^1].Weight.Name}[0,0]";
}
