using System.Collections.Immutable;
using Backprop.Data.Formats;
using Backprop.Data.Generated;
using Backprop.Data.Tensors;
using Backprop.Engine;

namespace Backprop.Data.Sources;

/// <summary>Where a dataset comes from, as a run's specification says it: checked, not yet opened.
/// Files are named by paths, relative to a directory that its opener knows, or by URLs with their
/// SHA-256: <see cref="RemoteFile"/>.</summary>
public abstract record DataSource
{
    private DataSource()
    {
    }

    /// <summary>IDX files.</summary>
    /// <param name="Options">The files and how they are read.</param>
    public sealed record Idx(IdxOptions Options) : DataSource;

    /// <summary>Tables.</summary>
    /// <param name="Options">The files and how they are read.</param>
    public sealed record Table(TableOptions Options) : DataSource;

    /// <summary>Images in folders.</summary>
    /// <param name="Options">The folder and how it is read.</param>
    public sealed record Images(ImageFolderOptions Options) : DataSource;

    /// <summary>Samples in tar archives.</summary>
    /// <param name="Options">The archives and how they are read; in a file's name <c>*</c> and
    /// <c>?</c> may stand for others.</param>
    public sealed record TarShards(TarShardOptions Options) : DataSource;

    /// <summary>NumPy's array files.</summary>
    /// <param name="Options">The files and how they are read.</param>
    public sealed record Numpy(NumpyOptions Options) : DataSource;

    /// <summary>Windows of a text.</summary>
    /// <param name="Options">The text and how it is read.</param>
    public sealed record Text(TextOptions Options) : DataSource;

    /// <summary>A set that is computed.</summary>
    /// <param name="Options">Which one.</param>
    public sealed record Generated(GeneratedOptions Options) : DataSource;

    /// <summary>Samples written in the specification itself.</summary>
    /// <param name="Rows">Samples.</param>
    /// <param name="FeatureShape">The shape of a sample's features.</param>
    /// <param name="Features">[rows, features].</param>
    /// <param name="Targets">[rows, target width].</param>
    /// <param name="Target">What samples are labelled with.</param>
    public sealed record Inline(
        int Rows, Shape FeatureShape, ImmutableArray<float> Features,
        ImmutableArray<float> Targets, TargetSchema Target) : DataSource;
}

/// <summary>Opens datasets: the one place where a run's specification meets files.</summary>
public interface IDataSourceOpener
{
    /// <summary>Opens a source.</summary>
    /// <param name="source">The source.</param>
    /// <param name="train">The training set, whose classes a validation or test set shares; null
    /// when it is the training set that is opened.</param>
    /// <exception cref="InvalidDatasetException">It is not what it should be; the message says
    /// where, and what would be right.</exception>
    IDataset Open(DataSource source, IDataset? train);

    /// <summary>Opens a file of tensors: one of safetensors, or an index of several.</summary>
    /// <param name="file">Its path, or its URL with its SHA-256.</param>
    /// <exception cref="InvalidDatasetException">It is not what it should be, or none is opened
    /// here.</exception>
    ITensorFile OpenTensors(string file) => throw new InvalidDatasetException(
        file, "tensors are not opened here", "leave initial-weights out");
}
