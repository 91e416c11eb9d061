using Backprop.Data;
using Backprop.Engine.Gradients;
using Backprop.Engine.Optimizers;
using Backprop.Training.Metrics;
using Backprop.Training.Stopping;

namespace Backprop.Training;

/// <summary>Holds a plan to what a run needs, before time or memory is spent on it.</summary>
internal static class PlanCheck
{
    /// <summary>Throws <see cref="ArgumentException"/> where the plan cannot be run; the message
    /// says what would be right.</summary>
    public static void Require(TrainingPlan plan)
    {
        Require(plan.BatchSize >= 1, $"a batch size of {plan.BatchSize}: 1 is the least");
        Require(plan.Epochs >= 1, $"{plan.Epochs} epochs: 1 is the least");
        Require(
            plan.MicroBatches is >= 1 and <= GradientTree.MaxMicroBatches,
            $"{plan.MicroBatches} micro-batches: 1 to {GradientTree.MaxMicroBatches:N0} are"
            + " allowed");
        Require(
            plan.MicroBatches <= plan.BatchSize,
            $"{plan.MicroBatches} micro-batches of {plan.BatchSize} rows: some would be empty");
        Require(
            plan.Train.FeatureShape.Count == plan.Network.InputShape.Count,
            $"the network reads {plan.Network.InputShape}, and {plan.Train.Source} has"
            + $" {plan.Train.FeatureShape}");
        foreach (IDataset samples in
            new[] { plan.Train, plan.Validation, plan.Test }.OfType<IDataset>())
        {
            Require(samples.Count >= 1, $"{samples.Source} has no samples");
        }

        Require(
            ParameterGroup.FindIdle(plan.Groups, plan.Network.Layout) is null,
            "a group of layers has a pattern that matches no layer with trained parameters");
        Require(
            plan.Groups.All(
                group => group.LearningRateFactor > 0 && group.WeightDecay is null or >= 0),
            "a group's learning-rate factor must be above 0, and its weight decay at least 0");
        Require(
            plan.Averaging is not ExponentialAveraging { Decay: not (> 0 and < 1) }
                and not StochasticAveraging { FromEpoch: < 1 },
            $"an averaging of {plan.Averaging}: a decay lies between 0 and 1, and epochs count"
            + " from 1");
        RequireStop(plan);
    }

    private static void RequireStop(TrainingPlan plan)
    {
        StopRules stop = plan.Stop;
        string metric = StoppingState.NameOf(stop);
        bool hasClasses = plan.Train.Target is TargetSchema.Class;
        if (plan.Network.HasNamedOutputs)
        {
            hasClasses = RequireJudgedOutput(plan);
        }
        else
        {
            Require(
                stop.Output is null,
                $"the run is judged by its {metric}, and its network names no outputs");
        }

        Require(
            stop.Metric == StopMetric.TrainingLoss || plan.Validation is not null,
            $"the run is judged by its {metric}, and there is no validation part");
        Require(
            stop.Metric != StopMetric.ValidationAccuracy || hasClasses,
            $"the run is judged by its {metric}, and its targets are values, not classes");
        Require(
            stop.Metric != StopMetric.ValidationR2 || !hasClasses,
            $"the run is judged by its {metric}, and its targets are classes, not values");
        Require(stop.Patience is null or >= 1, $"a patience of {stop.Patience}: 1 is the least");
        Require(stop.MaxSteps is null or >= 1, $"at most {stop.MaxSteps} steps: 1 is the least");
        Require(
            stop.MinimumImprovement >= 0,
            $"a minimum improvement of {stop.MinimumImprovement}: it cannot be negative");
    }

    // Whether the output that the run is judged by is held against classes.
    private static bool RequireJudgedOutput(TrainingPlan plan)
    {
        StopRules stop = plan.Stop;
        string names = string.Join(", ", plan.Network.Outputs.Select(output => output.Name));
        NamedReading? judged = TargetReading.For(plan).Outputs
            .FirstOrDefault(output => output.Name == stop.Output);
        Require(
            stop.Output is null || judged is not null,
            $"the run is judged by its output '{stop.Output}', and its outputs are {names}");
        Require(
            stop.Output is null || stop.Metric != StopMetric.TrainingLoss,
            "the training loss of a single output is not kept; judge the run by its validation "
            + "loss");
        Require(
            stop.Output is not null
                || stop.Metric is StopMetric.TrainingLoss or StopMetric.ValidationLoss,
            $"the run is judged by its {StoppingState.NameOf(stop)}, and its network has the "
            + $"outputs {names}: name one of them, as in {plan.Network.Outputs[0].Name}.accuracy");
        return judged?.Reading.Classes.IsEmpty == false;
    }

    private static void Require(bool holds, string otherwise)
    {
        if (!holds)
        {
            throw new ArgumentException(otherwise);
        }
    }
}
