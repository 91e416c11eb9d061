using System.Collections.Concurrent;
using System.Collections.Immutable;
using Backprop.Data;
using Backprop.Data.Formats;
using Backprop.Data.Preparation;
using Backprop.Data.Sources;
using Backprop.Data.Tensors;
using Backprop.Engine;
using Backprop.Engine.Losses;
using Backprop.Engine.Networks;
using Backprop.Models.Plugins;
using Backprop.Training;
using Backprop.Training.Checkpoints;
using Backprop.Training.Metrics;
using Backprop.Training.Specification;

namespace Backprop.Models;

/// <summary>A trained network, or an ensemble whose outputs are averaged, with all that predicting
/// with it takes: it gives what <c>backprop predict</c> gives.</summary>
/// <remarks>Safe for any number of threads: predictions that are computed at the same time have
/// buffers of their own, which are kept for the next ones. Dispose it when no call is under way.
/// </remarks>
public sealed class Model : IDisposable
{
    private readonly TrainedModel _trained;
    private readonly RunSpecification? _specification;
    private readonly Lazy<Network> _network;
    private readonly Lazy<DataPreparation> _preparation;
    private readonly ConcurrentBag<ModelComputation> _computations = [];

    // The network that code has built; null: the specification says what it is.
    private readonly Network? _built;

    private Model(
        string source, TrainedModel trained, RunSpecification? specification, Network? built,
        LossSum loss)
    {
        Source = source;
        Loss = loss;
        _trained = trained;
        _specification = specification;
        _built = built;
        _network = new Lazy<Network>(
            () => built ?? NetworkFor(RequiredInputShape(), "the model itself"));
        _preparation = new Lazy<DataPreparation>(
            () => DataPreparation.FromJson(source, Header.Preparation));
    }

    /// <summary>The file, for messages.</summary>
    public string Source { get; }

    /// <summary>What the model says about itself.</summary>
    public ModelHeader Header => _trained.Header;

    /// <summary>Each member's weights, [layout.Length]; they are the model's, and not to be
    /// changed.</summary>
    public ImmutableArray<AlignedBuffer> Members => _trained.Members;

    /// <summary>What it was trained by.</summary>
    /// <exception cref="ModelException">Code has built the network, and no specification.
    /// </exception>
    public RunSpecification Specification => _specification ?? throw new ModelException(
        $"'{Source}' is of a network that code has built: there is no specification of a run, "
        + "which would say how its data are read");

    /// <summary>How samples are prepared for it.</summary>
    /// <exception cref="InvalidDatasetException">The model does not say it.</exception>
    public DataPreparation Preparation => _preparation.Value;

    /// <summary>The classes, or the names of the values, that it predicts; none where its outputs
    /// are named: <see cref="ModelHeader.Outputs"/> has those of each.</summary>
    public ImmutableArray<string> TargetNames => Header.TargetNames;

    /// <summary>The shape of a sample's features; null: the model was written by a version that did
    /// not keep it, and cannot be guessed.</summary>
    public Shape? InputShape => Header switch
    {
        { FeatureShape: { IsEmpty: false } dimensions } => ShapeOf(dimensions),
        { FeatureNames: { IsEmpty: false } names } => Shape.Of(names.Length),
        _ => null,
    };

    /// <summary>The network, for its own input.</summary>
    /// <exception cref="ModelException">The model does not say what its input is, or its weights
    /// are not of such a network.</exception>
    public Network Network => _network.Value;

    /// <summary>What its outputs were trained by.</summary>
    internal LossSum Loss { get; }

    /// <summary>Loads a model.</summary>
    /// <param name="path">A <c>model.bpm</c>, as training writes it; or a file of safetensors that
    /// <c>backprop export</c> has written.</param>
    /// <param name="plugins">The plug-ins that it may have layers of: see
    /// <see cref="Plugins.PluginFolder"/>; null: none.</param>
    /// <exception cref="ModelException">There is none, or it is damaged, or of another version, or
    /// of a plug-in that is not here; the message says which.</exception>
    /// <exception cref="InvalidDatasetException">A file of safetensors is not what it should be.
    /// </exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static Model Load(string path, LayerPlugins? plugins = null)
    {
        RequireFile(path);
        if (path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase))
        {
            using SafetensorsFile file = SafetensorsFile.Open(path);
            return Of(path, () => ModelTensors.Read(file, plugins), plugins);
        }

        using FileStream stream = File.OpenRead(path);
        return Read(path, stream, plugins);
    }

    /// <summary>Loads a model of a network that code builds: the file has its weights, and no
    /// specification.</summary>
    /// <param name="path">What <see cref="WriteTo"/> has written.</param>
    /// <param name="network">The network, built as it was for training.</param>
    /// <param name="loss">What it was trained by: it says whether outputs are probabilities.
    /// </param>
    /// <exception cref="ModelException">There is none, or it is damaged, or of another version, or
    /// its weights are of another network.</exception>
    /// <exception cref="ArgumentException">The loss is of other outputs than the network has.
    /// </exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static Model Load(string path, Network network, LossSum loss)
    {
        RequireFile(path);
        loss.Require(network);
        using FileStream stream = File.OpenRead(path);
        TrainedModel trained;
        try
        {
            trained = TrainedModel.ReadFrom(stream);
        }
        catch (CheckpointException failure)
        {
            throw new ModelException($"'{path}': {failure.Message}", failure);
        }

        if (IsOf(network, trained.Header))
        {
            return new Model(path, trained, null, network, loss);
        }

        trained.Dispose();
        throw new ModelException(
            $"'{path}' has the weights of another network: "
            + string.Join(", ", trained.Header.Parameters) + ", where this one has "
            + string.Join(", ", StoredParameter.Of(network.Layout)));
    }

    /// <summary>The model of weights that a plan was trained to.</summary>
    /// <param name="plan">What was trained.</param>
    /// <param name="members">Each member's weights, [layout.Length]; they are copied.</param>
    public static Model Of(TrainingPlan plan, params ReadOnlySpan<AlignedBuffer> members)
    {
        // The text that a plan is known by is no specification that a file could be read with.
        TrainedModel trained = TrainedModel.Of(plan with { Specification = "" }, members);
        return new Model(plan.Name, trained, null, plan.Network, plan.Loss);
    }

    /// <summary>Reads a <c>model.bpm</c>.</summary>
    /// <param name="source">Its name, for messages.</param>
    /// <param name="stream">Its bytes, to the end; seekable.</param>
    /// <param name="plugins">The plug-ins that it may have layers of; null: none.</param>
    /// <exception cref="ModelException">It is no model, damaged, of another version, or of a
    /// plug-in that is not here.</exception>
    /// <exception cref="IOException">From the stream.</exception>
    public static Model Read(string source, Stream stream, LayerPlugins? plugins = null) =>
        Of(source, () => TrainedModel.ReadFrom(stream), plugins);

    /// <summary>What the network makes of a sample.</summary>
    /// <param name="features">As many numbers as its <see cref="InputShape"/> has, channels of
    /// images last, as they were read for training: they are scaled here as they were then. NaN is
    /// a missing value, where training had something to put in its place.</param>
    /// <exception cref="ModelException">There are more or fewer, or the model does not say what its
    /// input is.</exception>
    /// <exception cref="InvalidDatasetException">One is not finite.</exception>
    public Prediction Predict(ReadOnlySpan<float> features)
    {
        RequireSamples();
        Shape shape = RequiredInputShape();
        if (features.Length != shape.Count)
        {
            throw new ModelException(
                $"{features.Length} features, where '{Source}' takes {shape.Count} ({shape})");
        }

        float[] values = features.ToArray();
        if (Preparation.Missing.Values.Length == values.Length)
        {
            Preparation.Missing.Apply(values);
        }

        using var sample = new InMemoryDataset(
            "features", shape, new TargetSchema.Values([]), values, [], Header.FeatureNames);
        if (!_computations.TryTake(out ModelComputation? computation))
        {
            computation = new ModelComputation(Network, Loss, 1, 1);
        }

        try
        {
            return computation.Compute(Prepared(sample), Members, Reading(Network).Read)[0];
        }
        finally
        {
            _computations.Add(computation);
        }
    }

    /// <summary>What the network makes of samples, in order.</summary>
    /// <param name="samples">As they were read for training, unprepared.</param>
    /// <param name="threads">Threads that compute; the result does not depend on it.</param>
    /// <exception cref="ModelException">They are of another shape, or the network was trained on a
    /// text.</exception>
    public ImmutableArray<Prediction> Predict(IDataset samples, int threads = 1)
    {
        RequireSamples();
        Network network = NetworkFor(samples.FeatureShape, samples.Source);
        using var computation = new ModelComputation(
            network, Loss, MetricsAccumulator.MicroBatchRows, threads);
        return computation.Compute(Prepared(samples), Members, Reading(network).Read);
    }

    /// <summary>What the network makes of a file's samples, in order.</summary>
    /// <param name="path">Samples without targets: a table like the one it was trained on, an IDX
    /// file of images, or NumPy's <c>.npy</c> or <c>.npz</c>.</param>
    /// <param name="threads">Threads that compute; the result does not depend on it.</param>
    /// <exception cref="ModelException">There is no such file, or its samples are of another shape.
    /// </exception>
    /// <exception cref="InvalidDatasetException">The file cannot be used; the message says where.
    /// </exception>
    public ImmutableArray<Prediction> PredictFile(string path, int threads = 1)
    {
        RequireSamples();
        using IDataset samples = SampleFile.Open(this, path);
        return Predict(samples, threads);
    }

    /// <summary>What it was trained by, with these data, whose classes and categories are told
    /// apart as those of the training set were.</summary>
    public RunSpecification With(DataSpecification data) => Specification with
    {
        Data = data with { Train = data.Train with { Value = Resolve(data.Train.Value) } },
    };

    /// <summary>The network for an input of this shape.</summary>
    /// <param name="input">The shape of a sample's features.</param>
    /// <param name="source">Who gave it, for the message.</param>
    /// <exception cref="ModelException">The weights are not of a network with this input.
    /// </exception>
    public Network NetworkFor(Shape input, string source)
    {
        try
        {
            Network network = _built
                ?? RunPlanner.BuildNetwork(Specification, input, Header.FeatureNames);
            if (network.InputShape.Count == input.Count && IsOf(network, Header))
            {
                return network;
            }
        }
        catch (SpecificationException)
        {
            // A layer refuses the shape: told below in the words of whoever gave the input.
        }

        throw new ModelException(
            $"{source}: samples of {input} features do not suit '{Source}', whose first weights "
            + $"are {Header.Parameters.FirstOrDefault()}");
    }

    /// <summary>Writes the model as a <c>model.bpm</c>.</summary>
    /// <param name="destination">The caller sees to it that it is durable.</param>
    /// <exception cref="IOException">From the stream.</exception>
    public void WriteTo(Stream destination) => _trained.WriteTo(destination);

    /// <summary>Lets weights and buffers go.</summary>
    public void Dispose()
    {
        while (_computations.TryTake(out ModelComputation? computation))
        {
            computation.Dispose();
        }

        _trained.Dispose();
    }

    /// <summary>The columns of a table, with the categories that the training set had.</summary>
    internal ImmutableArray<TableColumn> Resolve(ImmutableArray<TableColumn> columns) =>
    [
        .. columns.Select(column => column is TableColumn.Categorical { Categories: null } names
            ? names with { Categories = CategoriesOf(names.Name) }
            : column),
    ];

    private static Model Of(string source, Func<TrainedModel> read, LayerPlugins? plugins)
    {
        TrainedModel? trained = null;
        try
        {
            trained = read();
            ModelTensors.RequireSpecification(trained.Header);
            ModelPlugins.Require(trained.Header, plugins);
            RunSpecification specification = RunSpecificationReader.Read(
                trained.Header.Specification, source, plugins: plugins);
            return new Model(source, trained, specification, null, specification.Loss);
        }
        catch (Exception failure) when (failure is CheckpointException or SpecificationException)
        {
            trained?.Dispose();
            throw new ModelException($"'{source}': {failure.Message}", failure);
        }
    }

    private static void RequireFile(string path)
    {
        if (!File.Exists(path))
        {
            throw new ModelException(
                $"there is no model '{path}'; train writes it as model.bpm into the run's "
                + "directory");
        }
    }

    // Whether a header's weights are of a network.
    private static bool IsOf(Network network, ModelHeader header) =>
        StoredParameter.Of(network.Layout).Select(p => p.ToString())
            .SequenceEqual(header.Parameters.Select(p => p.ToString()));

    private Shape ShapeOf(ImmutableArray<int> dimensions)
    {
        try
        {
            return Shape.Of(dimensions.AsSpan());
        }
        catch (ArgumentOutOfRangeException e)
        {
            throw new ModelException(
                $"'{Source}' has features of shape {string.Join('x', dimensions)}: {e.Message}", e);
        }
    }

    private Shape RequiredInputShape() => InputShape ?? throw new ModelException(
        $"'{Source}' was written by a version that did not keep the shape of its input: train it"
        + " anew, or predict from a file");

    private void RequireSamples()
    {
        if (_specification?.Data.Train.Value is DataSource.Text)
        {
            throw new ModelException(
                "the network was trained on a text: backprop generate has it go on with one");
        }
    }

    private IDataset Prepared(IDataset samples) =>
        (Preparation with { Targets = Normalization.None }).Apply(samples);

    private OutputReading Reading(Network network) => new(OutputsOf(network));

    /// <summary>How each output of its network is read, in their order.</summary>
    /// <exception cref="ModelException">The model's header is of other outputs.</exception>
    internal ImmutableArray<ModelOutput> OutputsOf(Network network)
    {
        if (Header.Outputs is not { } stored)
        {
            return network.HasNamedOutputs
                ? throw OtherOutputs()
                :
                [
                    new ModelOutput(
                        "", network.OutputShape, Loss.Terms[0].Loss, Header.HasClasses,
                        TargetNames, Preparation.Targets),
                ];
        }

        if (!stored.Select(output => output.Name)
            .SequenceEqual(network.Outputs.Select(output => output.Name)))
        {
            throw OtherOutputs();
        }

        return
        [
            .. stored.Select((output, i) => new ModelOutput(
                output.Name, network.Outputs[i].Shape, Loss.Terms[i].Loss, output.HasClasses,
                output.TargetNames, ScaleOf(output))),
        ];
    }

    private Normalization ScaleOf(StoredOutput output)
    {
        Normalization all = Preparation.Targets;
        return output.HasClasses ? Normalization.None
            : all.Offsets.Length <= 1
                || output.FirstValue + output.TargetNames.Length <= all.Offsets.Length
            ? all.Slice(output.FirstValue, output.TargetNames.Length)
            : throw OtherOutputs();
    }

    private ModelException OtherOutputs() => new(
        $"'{Source}' says that it has other outputs than its specification makes");

    private DataSource Resolve(DataSource source)
    {
        ImmutableArray<string>? classes = Header.ClassesOf("");
        return source switch
        {
            DataSource.Idx { Options: IdxOptions { Target: ArrayTarget.Class } options } =>
                new DataSource.Idx(options with { Classes = options.Classes ?? classes }),
            DataSource.Numpy { Options: NumpyOptions { Target: ArrayTarget.Class } options } =>
                new DataSource.Numpy(options with { Classes = options.Classes ?? classes }),
            DataSource.Images { Options: ImageFolderOptions options } =>
                new DataSource.Images(options with { Classes = options.Classes ?? classes }),
            DataSource.TarShards { Options: TarShardOptions options } =>
                new DataSource.TarShards(options with { Classes = options.Classes ?? classes }),
            DataSource.Text { Options: TextOptions options } =>
                new DataSource.Text(options.WithDefaultVocabulary(classes, Header.Tokenizer)),
            DataSource.Table { Options: TableOptions options } => new DataSource.Table(options with
            {
                Columns = Resolve(options.Columns),
                Target = Resolve(options.Target, ""),
            }),
            _ => source,
        };
    }

    private TableTarget? Resolve(TableTarget? target, string name) => target switch
    {
        TableTarget.Class { Classes: null } classes =>
            classes with { Classes = Header.ClassesOf(name) },
        TableTarget.Several several => new TableTarget.Several(
        [
            .. several.Targets.Select(
                one => KeyValuePair.Create(one.Key, Resolve(one.Value, one.Key)!)),
        ]),
        _ => target,
    };

    private ImmutableArray<string> CategoriesOf(string column) =>
    [
        .. Header.FeatureNames
            .Where(name => name.StartsWith(column + "=", StringComparison.Ordinal))
            .Select(name => name[(column.Length + 1)..]),
    ];
}
