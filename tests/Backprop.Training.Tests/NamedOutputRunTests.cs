using Backprop.Data.Sources;
using Backprop.Engine;
using Backprop.Engine.Networks;
using Backprop.Engine.Threading;
using Backprop.Training.Metrics;
using Backprop.Training.Specification;
using Backprop.Training.Tests.Specification;

namespace Backprop.Training.Tests;

/// <summary>Runs of several inputs and outputs: what they are judged by, and what is refused.
/// </summary>
public sealed class NamedOutputRunTests
{
    private const string Specification = """
        name = shells
        data {
          train { csv {
            files = "shells.csv"
            target { several { kind { class = kind }, size { values = [length, height] } } }
            columns { color = categorical }
          } }
          normalize = standard, normalize-targets = standard
        }
        inputs {
          look { columns = [color] }
          numbers { columns = ["ring*"] }
        }
        model = [
          { branches { branches = [
            [ { input = look } ], [ { input = numbers }, { dense = 3 } ]
          ] } }
          { dense { units = 4, activation = tanh } }
          { output { name = kind, layers = [ { dense = 2 } ] } }
          { output { name = size, layers = [ { dense = 2 } ] } }
        ]
        loss { outputs {
          kind { loss = softmax-cross-entropy }
          size { loss = mean-squared-error, weight = 0.5 }
        } }
        optimizer { adam { learning-rate = 0.01 } }
        batch-size = 4, epochs = 1
        """;

    private const string Table = """
        color,ring1,ring2,kind,length,height
        red,1,2,a,10,1
        blue,3,1,b,20,3
        red,2,5,a,15,2
        green,4,4,b,30,5
        """;

    [Fact]
    public void A_run_ends_by_the_metric_of_its_output_and_keeps_that_epochs_weights()
    {
        TrainingPlan plan = TestPlans.NamedOutputs();
        plan = plan with
        {
            Averaging = null, Epochs = 40, Stop = plan.Stop with { Patience = 3 },
        };
        TrainingResult result = OracleTests.Train(plan, threads: 1);
        double[] accuracies =
        [
            .. result.History.Select(
                epoch => epoch.Validation!.Of("heap")!.Classification!.Accuracy),
        ];
        Assert.Equal(accuracies, result.History.Select(epoch => epoch.Metric));
        Assert.Equal(StopKind.Patience, result.Stop.Kind);
        Assert.Contains("validation accuracy of heap", result.Stop.Reason);
        Assert.Equal(Array.IndexOf(accuracies, accuracies.Max()), result.BestEpoch);
        Assert.Equal(accuracies.Max(), result.Validation!.Of("heap")!.Classification!.Accuracy);
    }

    [Fact]
    public void An_ensemble_of_one_network_twice_is_judged_as_that_network()
    {
        TrainingPlan plan = TestPlans.NamedOutputs();
        using var weights = new AlignedBuffer(plan.Network.Layout.Length);
        plan.Network.InitializeWeights(3, weights);
        using var pool = new ComputePool(1);
        using var backend = new NetworkExecutor(
            plan.Network, plan.Loss, MetricsAccumulator.MicroBatchRows, 1, pool);
        var evaluator = new Evaluator(backend, plan.Loss, TargetReading.For(plan));
        EvaluationMetrics once = evaluator.Evaluate(plan.Validation!, weights);
        EvaluationMetrics twice = evaluator.Evaluate(plan.Validation!, weights, weights);
        Assert.Equal(once.Loss, twice.Loss, tolerance: 1e-6);
        foreach (string output in (string[])["early", "heap", "place"])
        {
            EvaluationMetrics one = once.Of(output)!, other = twice.Of(output)!;
            Assert.Equal(one.Loss, other.Loss, tolerance: 1e-6);
            Assert.Equal(
                one.Classification?.Confusion.Counts.AsEnumerable(),
                other.Classification?.Confusion.Counts.AsEnumerable());
            Assert.Equal(
                one.Regression?.R2 ?? 0, other.Regression?.R2 ?? 0, tolerance: 1e-6);
        }
    }

    [Fact]
    public void A_table_gives_targets_and_inputs_by_the_names_of_its_columns()
    {
        using PlannedRun planned = Plan(Specification);
        TrainingPlan plan = planned.Plan;
        Assert.Equal("color=blue,color=green,color=red,ring1,ring2", string.Join(
            ',', plan.Train.FeatureNames));
        Assert.Equal(
            ["look: features 0-2 as 3", "numbers: features 3-4 as 2"],
            plan.Network.Inputs.Select(input => input.ToString()));
        Assert.Equal("softmax-cross-entropy + 0.5 · mean-squared-error", plan.Loss.Name);

        // The class as its number; lengths of mean 18.75 and variance 54.6875, the network's unit.
        var target = new float[3];
        plan.Train.ReadTarget(1, target);
        Assert.Equal(1, target[0]);
        Assert.Equal((20 - 18.75) / Math.Sqrt(54.6875), target[1], tolerance: 1e-6);

        // In a batch as the loss says, and read in the table's own unit.
        var loader = plan.NewLoader(TargetReading.For(plan).Writing);
        Assert.Equal(3, loader.TargetWidth);
        Assert.Equal(
            18.75, TargetReading.For(plan).Outputs[1].Reading.Scales[0].Restore(0),
            tolerance: 1e-5);
    }

    [Fact]
    public void The_loss_says_in_which_order_outputs_stand()
    {
        using PlannedRun planned = Plan(Specification.Replace(
            "kind { loss = softmax-cross-entropy }", "").Replace(
            "weight = 0.5 }", "weight = 0.5 }\n kind { loss = softmax-cross-entropy }"));
        Assert.Equal(
            ["size", "kind"], planned.Plan.Network.Outputs.Select(output => output.Name));
    }

    [Theory]
    [InlineData(
        "name = kind, layers", "name = sort, layers",
        "loss.outputs.kind.loss", "the model has no output 'kind', but sort, size")]
    [InlineData(
        "kind { loss = softmax-cross-entropy }", "",
        "loss.outputs.size.loss", "output 'kind' of the model has no loss")]
    [InlineData(
        "loss = mean-squared-error, weight", "loss = softmax-cross-entropy, weight",
        "loss.outputs.size.loss", "softmax-cross-entropy needs classes, and the targets of target "
        + "'size'")]
    [InlineData(
        "weight = 0.5", "weight = 0.5, target = weight",
        "loss.outputs.size.loss", "has no target 'weight', but kind, size")]
    [InlineData(
        "layers = [ { dense = 2 } ] } }\n]", "layers = [ { dense = 3 } ] } }\n]",
        "loss.outputs.size.loss", "the network has 3 outputs for 2 target values")]
    [InlineData(
        "\"ring*\"", "\"stripe*\"",
        "inputs.numbers.columns[0]", "no feature's column is called 'stripe*'; there are color, "
        + "ring1, ring2")]
    [InlineData(
        "{ columns = [color] }", "{ columns = [color], shape = [2, 2] }",
        "inputs.look", "its columns are 3 features, and 2x2 takes 4")]
    [InlineData(
        "{ input = look }", "{ input = smell }",
        "model[0]", "reads the input 'smell', which is not there: there are look, numbers")]
    [InlineData(
        "[ { input = look } ], ", "[ ], ",
        "model", "reads the whole sample, and inputs are named")]
    [InlineData(
        "height] }", "height] }, third { values = kind }",
        "data.train.csv.target.several", "column 'kind' stands in two targets")]
    [InlineData(
        "epochs = 1", "epochs = 1, stop { metric = validation-accuracy }, "
        + "data.validation { fraction = 0.5 }",
        "stop", "its network has the outputs kind, size: name one of them, as in kind.accuracy")]
    [InlineData(
        "epochs = 1", "epochs = 1, stop { metric = size.accuracy }, "
        + "data.validation { fraction = 0.5 }",
        "stop", "judged by its validation accuracy of size, and its targets are values")]
    [InlineData(
        "epochs = 1", "epochs = 1, stop { metric = color.accuracy }, "
        + "data.validation { fraction = 0.5 }",
        "stop", "'metric' is of the output 'color'")]
    [InlineData(
        "epochs = 1", "epochs = 1, stop { metric = kind.akkuracy }",
        "stop.metric", "unknown word 'kind.akkuracy'; did you mean 'accuracy'?")]
    [InlineData(
        "look { columns", "\"the look\" { columns",
        "inputs.the look", "is no name: up to 100 letters")]
    [InlineData(
        "normalize = standard,", "normalize = standard, mixup = 0.5,",
        "data.mixup", "samples are mixed for one output, and the model names its outputs")]
    public void Mistakes_are_told_at_their_place(
        string right, string wrong, string path, string message)
    {
        Assert.Contains(right, Specification);
        SpecificationError error = Assert.Single(
            Assert.Throws<SpecificationException>(
                () => Plan(Specification.Replace(right, wrong)).Dispose()).Errors);
        Assert.Equal(path, error.Path);
        Assert.Contains(message, error.Message);
    }

    [Fact]
    public void Several_targets_need_outputs_with_names()
    {
        string plain = Specification[..Specification.IndexOf("inputs {", StringComparison.Ordinal)]
            + "model = [ { dense = 2 } ]\nloss = mean-squared-error\n"
            + Specification[Specification.IndexOf("optimizer", StringComparison.Ordinal)..];
        SpecificationError error = Assert.Single(
            Assert.Throws<SpecificationException>(() => Plan(plain).Dispose()).Errors);
        Assert.Contains("has the targets kind, size, and the network one output", error.Message);
    }

    private static PlannedRun Plan(string specification)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory();
        try
        {
            File.WriteAllText(Path.Combine(folder.FullName, "shells.csv"), Table);
            return RunPlanner.Plan(
                RunSpecificationReader.Read(specification, "shells.conf"),
                new DataSourceOpener(folder.FullName), long.MaxValue);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
