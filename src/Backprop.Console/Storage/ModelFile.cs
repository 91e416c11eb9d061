using System.Collections.Immutable;
using Backprop.Data;
using Backprop.Data.Formats;
using Backprop.Data.Preparation;
using Backprop.Data.Sources;
using Backprop.Engine;
using Backprop.Engine.Networks;
using Backprop.Training.Checkpoints;
using Backprop.Training.Specification;

namespace Backprop.Console.Storage;

/// <summary>A trained network as its file holds it, with the specification it was trained by.
/// </summary>
internal sealed class ModelFile : IDisposable
{
    private readonly string _path;

    private ModelFile(string path, TrainedModel model, RunSpecification specification)
    {
        _path = path;
        Model = model;
        Specification = specification;
    }

    /// <summary>Weights and what belongs to them.</summary>
    public TrainedModel Model { get; }

    /// <summary>What it was trained by.</summary>
    public RunSpecification Specification { get; }

    /// <summary>Reads a model.</summary>
    /// <exception cref="MistakeException">There is no such file, or it is no model.</exception>
    public static ModelFile Read(string path)
    {
        if (!File.Exists(path))
        {
            throw new MistakeException(
                $"there is no model '{path}'; train writes it as model.bpm into the run's "
                + "directory");
        }

        using FileStream stream = File.OpenRead(path);
        return Read(path, stream);
    }

    /// <summary>Reads a model.</summary>
    /// <param name="path">For messages.</param>
    /// <param name="stream">Its file.</param>
    /// <exception cref="MistakeException">It is no model.</exception>
    public static ModelFile Read(string path, Stream stream)
    {
        try
        {
            TrainedModel model = TrainedModel.ReadFrom(stream);
            return new ModelFile(
                path, model, RunSpecificationReader.Read(model.Header.Specification, path));
        }
        catch (CheckpointException failure)
        {
            throw new MistakeException($"'{path}': {failure.Message}");
        }
    }

    /// <summary>How data are prepared for it.</summary>
    public DataPreparation Preparation =>
        DataPreparation.FromJson(_path, Model.Header.Preparation);

    /// <summary>What it was trained by, with these data, whose classes and categories are told
    /// apart as those of the training set were.</summary>
    public RunSpecification With(DataSpecification data) => Specification with
    {
        Data = data with { Train = data.Train with { Value = Resolve(data.Train.Value) } },
    };

    /// <summary>The columns of a table, with the categories that the training set had.</summary>
    public ImmutableArray<CsvColumn> Resolve(ImmutableArray<CsvColumn> columns) =>
    [
        .. columns.Select(column => column is CsvColumn.Categorical { Categories: null } names
            ? names with { Categories = CategoriesOf(names.Name) }
            : column),
    ];

    /// <summary>The network for an input of this shape.</summary>
    /// <exception cref="MistakeException">The weights are not of a network with this input.
    /// </exception>
    public Network NetworkFor(Shape input, string source)
    {
        try
        {
            Network network = RunPlanner.BuildNetwork(Specification, input);
            if (StoredParameter.Of(network.Layout).Select(p => p.ToString())
                .SequenceEqual(Model.Header.Parameters.Select(p => p.ToString())))
            {
                return network;
            }
        }
        catch (SpecificationException)
        {
            // A layer refuses the shape: told below in the words of whoever gave the input.
        }

        throw new MistakeException(
            $"{source}: samples of {input} features do not suit '{_path}', whose first weights "
            + $"are {Model.Header.Parameters.FirstOrDefault()}");
    }

    /// <inheritdoc/>
    public void Dispose() => Model.Dispose();

    private DataSource Resolve(DataSource source)
    {
        ImmutableArray<string>? classes =
            Model.Header.HasClasses ? Model.Header.TargetNames : null;
        return source switch
        {
            DataSource.Idx { Options: IdxOptions { Target: ArrayTarget.Class } options } =>
                new DataSource.Idx(options with { Classes = options.Classes ?? classes }),
            DataSource.Numpy { Options: NumpyOptions { Target: ArrayTarget.Class } options } =>
                new DataSource.Numpy(options with { Classes = options.Classes ?? classes }),
            DataSource.Text { Options: TextOptions options } =>
                new DataSource.Text(options with { Vocabulary = options.Vocabulary ?? classes }),
            DataSource.Csv { Options: CsvOptions options } => new DataSource.Csv(options with
            {
                Columns = Resolve(options.Columns),
                Target = options.Target is CsvTarget.Class { Classes: null } target
                    ? target with { Classes = classes }
                    : options.Target,
            }),
            _ => source,
        };
    }

    private ImmutableArray<string> CategoriesOf(string column) =>
    [
        .. Model.Header.FeatureNames
            .Where(name => name.StartsWith(column + "=", StringComparison.Ordinal))
            .Select(name => name[(column.Length + 1)..]),
    ];
}
