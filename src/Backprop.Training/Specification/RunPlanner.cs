using System.Collections.Immutable;
using Backprop.Data;
using Backprop.Data.Augmentations;
using Backprop.Data.Preparation;
using Backprop.Data.Sources;
using Backprop.Data.Tensors;
using Backprop.Engine;
using Backprop.Engine.Layers;
using Backprop.Engine.Losses;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Plugins;
using Backprop.Training.Interchange;
using Backprop.Training.Metrics;

namespace Backprop.Training.Specification;

/// <summary>
/// Makes a training plan of a specification and its data: parts and prepares the data, builds the
/// network, and refuses what does not go together, before memory or time is spent on training.
/// </summary>
public static class RunPlanner
{
    /// <summary>Opens the data and plans the run.</summary>
    /// <param name="run">What is asked for.</param>
    /// <param name="opener">Opens data sources.</param>
    /// <param name="memoryLimitBytes">What training may allocate beside the data.</param>
    /// <param name="fitted">The preparation of a network that is trained already, by which the data
    /// are prepared; null: one is fitted on the training part.</param>
    /// <exception cref="SpecificationException">Network, loss and data do not go together, or need
    /// more memory; each message names the key and what would be right.</exception>
    /// <exception cref="InvalidDatasetException">A dataset cannot be used.</exception>
    public static PlannedRun Plan(
        RunSpecification run, IDataSourceOpener opener, long memoryLimitBytes,
        DataPreparation? fitted = null)
    {
        PreparedData data = OpenData(run, opener, fitted);
        try
        {
            TrainingPlan plan = Plan(run, data);
            long importedBytes = run.InitialWeights is null
                ? 0
                : (long)plan.Network.Layout.Length * sizeof(float);
            long memoryBytes = MemoryEstimate.Bytes(plan) + importedBytes;
            if (memoryBytes > memoryLimitBytes)
            {
                throw TooMuchMemory(run, plan, memoryBytes, memoryLimitBytes);
            }

            // A network that is trained already has its weights.
            ImportedWeights? start = fitted is null ? Import(run, plan.Network, opener) : null;
            var outline = new RunOutline(
                DatasetOutline.Of(data.Train), OutlineOf(data.Validation), OutlineOf(data.Test),
                TargetReading.For(plan).Scales)
            {
                InitialWeightsSha256 = start?.Sha256,
                Plugins = PluginIdentity.Of(plan.Network),
                Inputs = InputsOf(run, data.Train.FeatureShape, data.Train.FeatureNames),
            };
            plan = plan with
            {
                Network = start?.Network ?? plan.Network,
                DataDigests = outline.Digests,
            };
            return new PlannedRun(run, plan, data, outline, memoryBytes);
        }
        catch
        {
            data.Dispose();
            throw;
        }
    }

    /// <summary>Builds the network of a specification for samples that are at hand.</summary>
    /// <param name="run">The specification.</param>
    /// <param name="input">The shape of a sample's features.</param>
    /// <param name="featureNames">The features' names; empty: they have none.</param>
    /// <exception cref="SpecificationException">Samples have no such features, a layer does not
    /// suit its input, or the loss is of other outputs than the model has.</exception>
    public static Network BuildNetwork(
        RunSpecification run, Shape input, ImmutableArray<string> featureNames) =>
        BuildNetwork(run, input, InputsOf(run, input, featureNames));

    /// <summary>Builds the network of a specification for a known input.</summary>
    /// <param name="run">The specification.</param>
    /// <param name="input">The shape of a sample's features.</param>
    /// <param name="inputs">The parts of them that layers read by name; default: the specification
    /// names none, or counts their features.</param>
    /// <exception cref="SpecificationException">A layer does not suit its input, or the loss is of
    /// other outputs than the model has.</exception>
    public static Network BuildNetwork(
        RunSpecification run, Shape input, ImmutableArray<NetworkInput> inputs = default)
    {
        var builder = new NetworkBuilder(
            input, inputs.IsDefault ? InputsOf(run, input, []) : inputs);
        SpecificationPlace place = run.Layers[0].Place;
        try
        {
            foreach (Placed<LayerDefinition> layer in run.Layers)
            {
                place = layer.Place;
                builder.Add(layer.Value);
            }

            // What only shows in the whole names the parameter itself.
            place = run.Layers[0].Place with { Path = "model" };
            return InOrderOf(run, builder.Build());
        }
        catch (ArgumentException e)
        {
            throw new SpecificationException([place.Error(e.Message)]);
        }
    }

    // The loss says in which order outputs are judged, and so stand in a row.
    private static Network InOrderOf(RunSpecification run, Network network)
    {
        string[] asked = [.. run.Outputs.Select(output => output.Name)];
        string[] there = [.. network.Outputs.Select(output => output.Name)];
        if (!network.HasNamedOutputs && asked is [""])
        {
            return network;
        }

        if (asked.Except(there).FirstOrDefault() is { } missing)
        {
            OutputSpecification output = run.Outputs.First(one => one.Name == missing);
            throw new SpecificationException([output.Loss.Place.Error(missing.Length == 0
                ? $"the model has the outputs {string.Join(", ", there)}: give each of them a "
                + $"loss, loss {{ outputs {{ {there[0]} {{ loss = ... }} }} }}"
                : $"the model has no output '{missing}'"
                + (network.HasNamedOutputs
                    ? $", but {string.Join(", ", there)}"
                    : $": put {{ output {{ name = {missing}, layers = [...] }} }} into it"))]);
        }

        return there.Except(asked).FirstOrDefault() is { } unjudged
            ? throw new SpecificationException([run.Outputs[0].Loss.Place.Error(
                $"output '{unjudged}' of the model has no loss: give it one, or take it away")])
            : new Network(
                network.InputShape, network.Nodes, network.Layout.BlockLength, network.Recomputed,
                [.. asked.Select(name => network.Outputs.First(output => output.Name == name))]);
    }

    /// <summary>The network with the first weights that a run asks for: for those who fill weights
    /// and have not planned the run.</summary>
    /// <param name="run">The run.</param>
    /// <param name="outline">What its data come to, and its first weights.</param>
    /// <param name="network">Its network.</param>
    /// <param name="opener">Opens the file of weights, if the run has one.</param>
    /// <exception cref="SpecificationException">The file's tensors do not suit the network.
    /// </exception>
    /// <exception cref="InvalidDatasetException">The file cannot be used, or is not the one that
    /// the run was outlined with.</exception>
    public static Network Started(
        RunSpecification run, RunOutline outline, Network network, IDataSourceOpener opener)
    {
        ImportedWeights? start = Import(run, network, opener);
        return start?.Sha256 == outline.InitialWeightsSha256
            ? start?.Network ?? network
            : throw new InvalidDatasetException(
                run.InitialWeights?.Value.Safetensors ?? "initial-weights",
                $"its weights have the SHA-256 {start?.Sha256 ?? "of nothing"}, where the run has "
                + (outline.InitialWeightsSha256 ?? "none"),
                "every node that serves the run needs the same file");
    }

    private static ImportedWeights? Import(
        RunSpecification run, Network network, IDataSourceOpener opener)
    {
        if (run.InitialWeights is not { } asked)
        {
            return null;
        }

        using ITensorFile file = opener.OpenTensors(asked.Value.Safetensors);
        return ImportedWeights.Read(network, asked, file);
    }

    private static PreparedData OpenData(
        RunSpecification run, IDataSourceOpener opener, DataPreparation? fitted)
    {
        List<IDataset> opened = [];
        try
        {
            IDataset train = Open(run.Data.Train, null);
            IDataset? validation =
                run.Data.Validation is { } v ? Open(v, train) : null;
            IDataset? test = run.Data.Test is { } t ? Open(t, train) : null;
            return PreparedData.Of(
                train, validation, test, run.Seed, run.Data.Preparation, fitted);
        }
        catch
        {
            opened.ForEach(dataset => dataset.Dispose());
            throw;
        }

        IDataset Open(Placed<DataSource> source, IDataset? train)
        {
            opened.Add(opener.Open(source.Value, train));
            return opened[^1];
        }
    }

    // The parts of samples that layers read by name.
    private static ImmutableArray<NetworkInput> InputsOf(
        RunSpecification run, Shape features, ImmutableArray<string> names) =>
        [.. run.Inputs.Select(input => input.Resolve(features, names))];

    private static TrainingPlan Plan(RunSpecification run, PreparedData data)
    {
        Shape features = data.Train.FeatureShape;
        Network network = BuildNetwork(run, features, data.Train.FeatureNames);
        var plan = new TrainingPlan
        {
            Name = run.Name,
            Seed = run.Seed,
            Network = network,
            Loss = LossOf(run, network, data.Train),
            Targets = run.Outputs is [{ Name: "" }] ? [] : run.Targets,
            Optimizer = run.Optimizer,
            Groups = run.Rules.Groups,
            Averaging = run.Averaging,
            Schedule = run.Schedule,
            Penalty = run.Penalty,
            Clipping = run.Clipping,
            Backward = run.Backward,
            BatchSize = run.BatchSize,
            MicroBatches = run.MicroBatches,
            Epochs = run.Epochs,
            Stop = run.Stop.Value,
            Train = data.Train,
            Validation = data.Validation,
            Test = data.Test,
            Augmentation = Augmentation(run, data.Train.FeatureShape),
            Mixup = run.Data.Mixup?.Value,
            Shuffle = run.Data.Shuffle,
            Specification = run.CanonicalText,
            Preparation = data.Preparation,
        };
        RequireCompatible(run, plan);
        return plan;
    }

    private static IAugmentation? Augmentation(RunSpecification run, Shape features)
    {
        if (run.Data.Augmentations is not { } asked)
        {
            return null;
        }

        try
        {
            return ImageAugmentation.Compose(asked.Value, features);
        }
        catch (ArgumentException e)
        {
            throw new SpecificationException([asked.Place.Error(e.Message)]);
        }
    }

    private static LossSum LossOf(RunSpecification run, Network network, IDataset train)
    {
        if (!network.HasNamedOutputs)
        {
            return Mixed(run, Weighted(run.Outputs[0], train), network, train);
        }

        if (run.Data.Mixup is { } mixup)
        {
            throw new SpecificationException([mixup.Place.Error(
                "samples are mixed for one output, and the model names its outputs; leave it "
                + "out")]);
        }

        return new LossSum(
        [
            .. run.Outputs.Select(
                output => new LossTerm(Weighted(output, train), output.Weight)),
        ]);
    }

    // Targets of mixed samples are probabilities of classes.
    private static Loss Mixed(RunSpecification run, Loss loss, Network network, IDataset train)
    {
        if (run.Data.Mixup is not { } mixup)
        {
            return loss;
        }

        if (network.Nodes[0].Layer is EmbeddingLayer embedding)
        {
            throw new SpecificationException([mixup.Place.Error(
                $"the samples are tokens, which embedding '{embedding.Name}' reads, and cannot be "
                + "mixed; leave it out")]);
        }

        if (train.Target is TargetSchema.Class { Positions: > 1 })
        {
            throw new SpecificationException([mixup.Place.Error(
                $"{train.Source} has a class at every position of a sample, which cannot be mixed; "
                + "leave it out")]);
        }

        return loss is SoftmaxCrossEntropy softmax && train.Target is TargetSchema.Class
            && network.OutputShape.Count > 1
            ? softmax with { SoftTargets = true }
            : loss;
    }

    /// <summary>The loss, its class weights made of the training part where they are to be
    /// balanced: n / (K·count), as King and Zeng's, "Logistic regression in rare events data",
    /// 2001.</summary>
    private static Loss Weighted(OutputSpecification output, IDataset train)
    {
        Placed<LossSpecification> asked = output.Loss;
        string name = train.Target.NameFor(output.Name, output.Target);
        if (asked.Value.Loss is not SoftmaxCrossEntropy softmax
            || train.Target.Find(name)?.Schema is not TargetSchema.Class target)
        {
            return asked.Value.Loss;
        }

        int classes = target.Classes.Length;
        RequirePadding(asked, softmax, train, target);
        if (!asked.Value.HasBalancedClassWeights)
        {
            return softmax.ClassWeights.IsEmpty || softmax.ClassWeights.Length == classes
                ? softmax
                : throw new SpecificationException([asked.Place.Error(
                    $"there are {softmax.ClassWeights.Length} class-weights for {classes} classes "
                    + $"({Names(target.Classes)})")]);
        }

        ImmutableArray<long> counts = ClassCounts.Of(train, name);
        int[] counted =
            [.. Enumerable.Range(0, classes).Where(label => label != softmax.PaddingClass)];
        int missing = counts.IndexOf(0);
        missing = missing == softmax.PaddingClass ? counts.IndexOf(0, missing + 1) : missing;
        if (missing >= 0)
        {
            throw new SpecificationException([asked.Place.Error(
                $"class-weights cannot be balanced: class '{target.Classes[missing]}' has no "
                + "sample in the training part; give the weights as numbers")]);
        }

        double samples = counted.Sum(label => counts[label]);
        return new SoftmaxCrossEntropy(
            softmax.LabelSmoothing,
            [
                .. counts.Select((count, label) => label == softmax.PaddingClass
                    ? 0
                    : (float)(samples / ((double)counted.Length * count))),
            ],
            softmax.PaddingClass);
    }

    private static void RequirePadding(
        Placed<LossSpecification> asked, Loss loss, IDataset train, TargetSchema.Class target)
    {
        string? mistake = loss.PaddingClass switch
        {
            null => null,
            _ when target.Positions == 1 =>
                $"there are positions to pass over where samples have a class at each, and "
                + $"{train.Source} has one class a sample; leave it out",
            { } padding when padding >= target.Classes.Length =>
                $"{padding} is no class of {train.Source}, which has 0 to "
                + $"{target.Classes.Length - 1}",
            _ => null,
        };
        if (mistake is not null)
        {
            throw new SpecificationException([asked.Place.Error($"padding-token: {mistake}")]);
        }
    }

    private static string Names(ImmutableArray<string> names) =>
        names.Length <= 10 ? string.Join(", ", names) : $"{string.Join(", ", names[..10])}, ...";

    private static void RequireCompatible(RunSpecification run, TrainingPlan plan)
    {
        bool lossNeedsClasses = plan.Loss.Terms[0].Loss.Target == TargetKind.ClassIndex
            && plan.Train.Target is TargetSchema.Values;
        SpecificationPlace lastLayer = run.Layers[^1].Place;
        TargetReading reading;
        try
        {
            reading = TargetReading.For(plan);
        }
        catch (OutputMismatchException e)
        {
            throw new SpecificationException([run.Outputs[e.Output].Loss.Place.Error(e.Message)]);
        }
        catch (ArgumentException e)
        {
            SpecificationPlace place = lossNeedsClasses ? run.Outputs[0].Loss.Place : lastLayer;
            throw new SpecificationException([place.Error(e.Message)]);
        }

        if (TokenMistake(plan) is { } token)
        {
            throw new SpecificationException([run.Layers[0].Place.Error(token)]);
        }

        if (ParameterGroup.FindIdle(plan.Groups, plan.Network.Layout) is { } idle)
        {
            throw new SpecificationException([run.Groups[idle.Group].Patterns[idle.Pattern].Error(
                GroupMistake(plan, idle.Group, idle.Pattern))]);
        }

        for (int output = 0; output < plan.Network.Outputs.Length; output++)
        {
            if (OutputMistake(plan, reading, output) is { } mistake)
            {
                throw new SpecificationException([run.Outputs[output].Loss.Place.Error(mistake)]);
            }
        }

        try
        {
            PlanCheck.Require(plan);
        }
        catch (ArgumentException e)
        {
            throw new SpecificationException([run.Stop.Place.Error(e.Message)]);
        }
    }

    private static string GroupMistake(TrainingPlan plan, int group, int pattern)
    {
        ImmutableArray<string> layers =
        [
            .. plan.Network.Layout.Views.Where(view => view.Declaration.IsOptimized)
                .Select(view => view.LayerName).Distinct(),
        ];
        return $"'{plan.Groups[group].Layers[pattern]}' matches no layer with trained parameters "
            + (group == 0 ? "" : "that no group before it has ")
            + $"(the model has {Names(layers)})";
    }

    /// <summary>Every token that a network's embeddings read of samples must be one of their
    /// vocabulary: looked at before anything is computed.</summary>
    private static string? TokenMistake(TrainingPlan plan)
    {
        foreach (NetworkNode node in plan.Network.Nodes)
        {
            InputLayer? input =
                node.Input >= 0 ? plan.Network.Nodes[node.Input].Layer as InputLayer : null;
            if (node.Layer is EmbeddingLayer embedding && (node.Input < 0 || input is not null)
                && TokenMistake(plan, embedding, input?.Input) is { } mistake)
            {
                return mistake;
            }
        }

        return null;
    }

    private static string? TokenMistake(
        TrainingPlan plan, EmbeddingLayer embedding, NetworkInput? input)
    {
        if (input is null
            && plan.Train.Target is TargetSchema.Class { Positions: > 1, Classes: var tokens }
            && embedding.Vocabulary != tokens.Length)
        {
            return $"embedding '{embedding.Name}' has a vocabulary of {embedding.Vocabulary} "
                + $"tokens, and {plan.Train.Source} has {tokens.Length}: give it vocabulary = "
                + $"{tokens.Length}";
        }

        var features = new float[plan.Train.FeatureShape.Count];
        float[] read = input is null ? features : new float[input.Features.Length];
        foreach (IDataset samples in
            new[] { plan.Train, plan.Validation, plan.Test }.OfType<IDataset>())
        {
            for (long sample = 0; sample < samples.Count; sample++)
            {
                samples.ReadFeatures(sample, features);
                for (int i = 0; i < input?.Features.Length; i++)
                {
                    read[i] = features[input.Features[i]];
                }

                if (embedding.FirstStranger(read) is int position)
                {
                    return $"embedding '{embedding.Name}' has tokens 0 to "
                        + $"{embedding.Vocabulary - 1}, and sample {sample} of {samples.Source} "
                        + $"has {read[position]} at position {position}"
                        + (input is null ? "" : $" of input '{input.Name}'");
                }
            }
        }

        return null;
    }

    /// <summary>A loss on logits after what makes probabilities of them squashes twice; a loss on
    /// probabilities needs some.</summary>
    private static string? OutputMistake(
        TrainingPlan plan, TargetReading reading, int output)
    {
        string last = plan.Network.Nodes[plan.Network.Outputs[output].Node].Layer.Kind;
        return plan.Loss.Terms[output].Loss switch
        {
            SoftmaxCrossEntropy when last is "softmax" or "sigmoid" =>
                $"softmax-cross-entropy applies softmax itself; take the {last} away from the end "
                + "of the model",
            BinaryCrossEntropy when last is "softmax" or "sigmoid" =>
                $"binary-cross-entropy applies the sigmoid itself; take the {last} away from the "
                + "end of the model, or use binary-cross-entropy-on-probabilities",
            BinaryCrossEntropyOnProbabilities when last is not ("softmax" or "sigmoid") =>
                "binary-cross-entropy-on-probabilities needs outputs between 0 and 1; end the "
                + "model with a sigmoid, or use binary-cross-entropy",
            BinaryCrossEntropy or BinaryCrossEntropyOnProbabilities =>
                TargetOutside(plan, reading, output) is { } value
                    ? $"cross-entropy needs targets from 0 to 1; {plan.Train.Source} has {value}"
                    : null,
            _ => null,
        };
    }

    private static float? TargetOutside(
        TrainingPlan plan, TargetReading reading, int output)
    {
        IDataset dataset = plan.Train;
        TargetPart part = dataset.Target.Find(
            reading.Outputs.IsEmpty ? "" : reading.Outputs[output].Target)!;
        if (part.Schema is TargetSchema.Class)
        {
            return null;
        }

        var values = new float[dataset.Target.Width];
        for (long sample = 0; sample < dataset.Count; sample++)
        {
            dataset.ReadTarget(sample, values);
            foreach (float value in values.AsSpan(part.Offset, part.Schema.Width))
            {
                if (value is not (>= 0 and <= 1))
                {
                    return value;
                }
            }
        }

        return null;
    }

    private static DatasetOutline? OutlineOf(IDataset? part) =>
        part is null ? null : DatasetOutline.Of(part);

    private static SpecificationException TooMuchMemory(
        RunSpecification run, TrainingPlan plan, long bytes, long limitBytes)
    {
        ParameterView largest = plan.Network.Layout.Views.MaxBy(view => view.Length)!;
        SpecificationPlace model = run.Layers[0].Place;
        return new SpecificationException([(model with { Path = "model" }).Error(
            $"training needs about {MiB(bytes)} MiB, and {MiB(limitBytes)} MiB are free; the "
            + $"largest of {plan.Network.Layout.Count:N0} parameters is '{largest.Name}' "
            + $"({largest.Declaration.Shape}): fewer units or a smaller batch-size would fit")]);
    }

    private static string MiB(long bytes) => $"{bytes / (1024.0 * 1024):N0}";
}
