using Backprop.Data.Preparation;
using Backprop.Data.Sources;
using Backprop.Training.Specification;

namespace Backprop.Console.Storage;

/// <summary>Reads specifications, and opens their data.</summary>
internal static class SpecificationFile
{
    private const long MostBytes = 16 << 20;

    // The rest is left to the data, the program and the machine's other processes.
    private const double ShareOfMemory = 0.8;

    /// <summary>What training may allocate beside its data.</summary>
    public static long MemoryLimitBytes =>
        (long)(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes * ShareOfMemory);

    /// <summary>The text of a specification.</summary>
    public static string ReadText(string path)
    {
        if (Directory.Exists(path))
        {
            throw new MistakeException(
                $"'{path}' is a directory; a specification is a file, for example "
                + "hocon/runs/digits.conf");
        }

        if (!File.Exists(path))
        {
            throw new MistakeException($"there is no specification '{path}'");
        }

        long length = new FileInfo(path).Length;
        return length <= MostBytes
            ? File.ReadAllText(path)
            : throw new MistakeException(
                $"'{path}' has {length:N0} bytes; a specification has at most {MostBytes:N0}");
    }

    /// <summary>Reads a specification and what it includes.</summary>
    /// <param name="path">The file.</param>
    /// <param name="plugins">The plug-ins whose layers it may name; null: none.</param>
    public static RunSpecification Read(string path, LayerPlugins? plugins = null) =>
        RunSpecificationReader.Read(
            ReadText(path), path, new IncludedSpecifications(), plugins: plugins);

    /// <summary>Opens the data of a specification, and plans the run.</summary>
    /// <param name="specification">The run.</param>
    /// <param name="fitted">How the data are prepared; null: as fitted on the training part.
    /// </param>
    public static PlannedRun Plan(
        RunSpecification specification, DataPreparation? fitted = null) => RunPlanner.Plan(
        specification, Opener(), MemoryLimitBytes, fitted);

    /// <summary>Opens data where the user is; those that are got by HTTP are kept with the user's
    /// other state.</summary>
    public static IDataSourceOpener Opener() => new DataSourceOpener(
        cache: new FileCache(FileCache.UserDirectory, new HttpDownload(new HttpLimits())));
}
